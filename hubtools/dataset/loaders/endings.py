"""Which endings belong to which module of `datasets` 5.2.

Source: `datasets/packaged_modules/__init__.py` (`_EXTENSION_TO_MODULE`); a test compares the two.
"""

from __future__ import annotations

from hubtools.layout import METADATA_NAMES

_MODULES = {
    "csv": "csv tsv",
    "json": "json jsonl ndjson",
    "parquet": "parquet geoparquet gpq",
    "arrow": "arrow",
    "text": "txt",
    "conll": "conll conllu",
    "webdataset": "tar",
    "xml": "xml",
    "hdf5": "hdf5 h5",
    "eval": "eval",
    "harbor": "toml md",
    "lance": "lance",
    "tsfile": "tsfile",
    "vortex": "vortex",
    "fasta": "fa fasta fna ffn faa frn afa",
    "genbank": "gb gbk genbank",
    "fastq": "fq fastq",
    "pdb": "pdb ent",
    "mmcif": "cif mmcif",
    "imagefolder": (
        "blp bmp dib bufr cur pcx dcx dds ps eps fit fits fli flc ftc ftu gbr gif grib png "
        "apng jp2 j2k jpc jpf jpx j2c icns ico im iim tif tiff jfif jpe jpg jpeg msp pcd "
        "pxr pbm pgm ppm pnm psd bw rgb rgba sgi ras tga icb vda vst webp wmf emf xbm xpm"
    ),
    "audiofolder": (
        "mpg aiff au avr caf flac htk svx mat4 mat5 mpc2k ogg paf pvf raw rf64 sd2 sds "
        "ircam voc w64 wav nist wavex wve xi mp3 opus 3gp 3g2 asf flv m4v webm f4v wmv wma "
        "ogm mxf nut"
    ),
    "videofolder": "mpeg avi mp4 mov mkv",
    "meshfolder": "glb gltf ply stl",
    "pdffolder": "pdf",
    "niftifolder": "nii",
}
# Their endings are also known in capitals (but not in mixed case).
_CAPITALS = {
    "audiofolder", "imagefolder", "meshfolder", "niftifolder", "pdb", "pdffolder", "videofolder",
}  # fmt: skip

# Module of an ending, written as it may be written.
MODULE_OF: dict[str, str] = {}
for _module, _text in _MODULES.items():
    for _ending in _text.split():
        MODULE_OF[f".{_ending}"] = _module
        if _module in _CAPITALS:
            MODULE_OF[f".{_ending.upper()}"] = _module

# Modules that make a row of each file of a kind, and the column they put it into.
FOLDER_COLUMN = {
    "imagefolder": "image",
    "audiofolder": "audio",
    "videofolder": "video",
    "meshfolder": "mesh",
    "pdffolder": "pdf",
    "niftifolder": "nifti",
}
_SHARED = {"imagefolder": "mpg mpeg", "audiofolder": "avi mov mp4 mkv"}

# File names that a module keeps whatever their ending; they do not vote for a module either.
HARBOR_NAMES = frozenset({"task.toml", "instruction.md"})
NOT_VOTING = frozenset(METADATA_NAMES) | HARBOR_NAMES | {"latest_version_hint.json"}

# Files without any of these endings are dropped before a module is chosen.
ALLOWED = frozenset(MODULE_OF) | {".zip", ".idx", ".manifest", ".txn"}


def endings_of(module: str) -> frozenset[str]:
    """Endings of the files a module keeps, as they may be written; archives included."""
    return frozenset(e for e, m in MODULE_OF.items() if m == module) | {".zip"}


def folder_endings(module: str) -> frozenset[str]:
    """Lower-case endings that a folder module makes rows of."""
    words = f"{_MODULES[module]} {_SHARED.get(module, '')}"
    return frozenset(f".{word}" for word in words.split())


def kept_names(module: str) -> frozenset[str]:
    """Names that a module keeps besides its endings."""
    if module in FOLDER_COLUMN or module in ("mmcif", "pdb"):
        return frozenset(METADATA_NAMES)
    return HARBOR_NAMES if module == "harbor" else frozenset()
