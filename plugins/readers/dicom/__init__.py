"""DICOM: single pictures, clips, and folders with the files of a series."""
