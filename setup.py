"""Where the packages are; everything else about the build is in pyproject.toml."""

from setuptools import find_packages, setup

FOLDERS = {
    "usframe": "usframe",
    "usframe_plugins": "plugins",
    "usframe_configs": "configs",
    "usframe_checkpoints": "checkpoints",
    "usframe_contracts": "tests/contracts",
}

setup(
    package_dir=FOLDERS,
    packages=[
        *FOLDERS,
        *(f"{name}.{inner}" for name, folder in FOLDERS.items() for inner in find_packages(folder)),
    ],
)
