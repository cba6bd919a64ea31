"""The built-in plugins. They use the same hooks as anyone's package and only usframe's public names."""

from usframe import hookimpl
from usframe.hookspecs import Register


@hookimpl
def usframe_register_readers(register: Register) -> None:
    register("nifti", "usframe_plugins.readers.nifti:NiftiReader", suffixes=(".nii", ".nii.gz"))
    register("numpy", "usframe_plugins.readers.numpy_arrays:NumpyReader", suffixes=(".npy", ".npz"))
    register(
        "simpleitk",
        "usframe_plugins.readers.itk:SimpleITKReader",
        suffixes=(".nrrd", ".nhdr", ".seg.nrrd", ".mha", ".mhd", ".hdr"),
    )
    register(
        "image",
        "usframe_plugins.readers.image:ImageReader",
        suffixes=(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"),
    )
    register("video", "usframe_plugins.readers.video:VideoReader", suffixes=(".mp4", ".avi", ".mov", ".mkv"))
    register("dicom", "usframe_plugins.readers.dicom.reader:DicomReader", suffixes=(".dcm", ".dicom", ".ima"))


@hookimpl
def usframe_register_prompts(register: Register) -> None:
    for name in ("mask", "mask+point", "box+point", "box", "point"):
        register(name, f"usframe_plugins.prompts:{name.replace('+', '_and_')}")
    register("learned", "usframe_plugins.prompts:learned")


@hookimpl
def usframe_register_selections(register: Register) -> None:
    for name in ("largest", "uniform", "random"):
        register(name, f"usframe_plugins.selections:{name}")
    register("next", "usframe_plugins.selections:lowest_expected")


@hookimpl
def usframe_register_augmentations(register: Register) -> None:
    register("motion", "usframe_plugins.augmentations.motion:motion")
    for name in ("rotate", "scale", "translate", "flip", "elastic"):
        register(name, f"usframe_plugins.augmentations.geometry:{name}")
    for name in ("brightness_contrast", "gamma", "noise"):
        register(name, f"usframe_plugins.augmentations.intensity:{name}")
    for name in ("speckle", "gain", "shadow", "haze", "dropout", "sector"):
        register(name, f"usframe_plugins.augmentations.acquisition:{name}")


@hookimpl
def usframe_register_backbones(register: Register) -> None:
    register("demo", "usframe_plugins.backbones.sam2_family:demo")
    register("demo-128", "usframe_plugins.backbones.sam2_family:demo_128")
    register("medsam2", "usframe_plugins.backbones.sam2_family:medsam2")
    for size in ("tiny", "small", "base+", "large"):
        attribute = size.replace("+", "_plus")
        register(f"sam2.1-{size}", f"usframe_plugins.backbones.sam2_family:sam21_{attribute}")
        register(f"sam2.1-{size}-512", f"usframe_plugins.backbones.sam2_family:sam21_{attribute}_512")


@hookimpl
def usframe_register_metrics(register: Register) -> None:
    for name in ("dice", "iou", "hd95_mm", "assd_mm", "nsd"):
        register(name, f"usframe_plugins.metrics:{name}")


@hookimpl
def usframe_register_postprocessing(register: Register) -> None:
    for name in ("largest_component", "fill_holes", "min_volume_ml"):
        register(name, f"usframe_plugins.postprocessing:{name}")


@hookimpl
def usframe_register_objectives(register: Register) -> None:
    for name in ("focal", "dice", "iou", "presence"):
        register(name, f"usframe_plugins.objectives:{name}")
    for name in ("slice", "clip", "both"):
        register(name, f"usframe.training.objectives:{name}_recipe")
