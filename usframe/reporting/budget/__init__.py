"""What a person looks at after annotation was played."""
