"""Packages `pipeline` and `components`; Beam and cloud runners install this on their workers.

The versions that were tested together are in environment/requirements.lock; the bounds here are
what the code needs of each library it imports.
"""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="authorprofile",
    version="0.1.0",
    description="Trains one network that predicts all of an author's attributes, and serves it",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["pipeline", "pipeline.*", "components", "components.*"]),
    install_requires=[
        "apache-beam>=2.77,<2.78",
        "click>=8.1",
        "keras>=3.15,<3.16",
        "keras-tuner==1.4.8",
        "numpy",
        "plotly>=7.1,<8",
        "pyarrow",
        "pydantic>=2.10,<3",
        "pyyaml>=6",
        "rich>=13",
        "scipy",
        "tensorboard>=2.21,<2.22",
        "tensorflow>=2.21,<2.22",
        "tfx==1.21.0",
        # Time zones by name, where the system has no data of its own.
        "tzdata",
    ],
    package_data={
        "components.report": ["page.css", "page.js"],
        "components.serving.server": ["page/*"],
    },
    extras_require={
        "kubeflow": ["kfp>=2.16,<2.17", "kfp-pipeline-spec<2.17"],
        "vertex": [
            "google-cloud-aiplatform>=1.165,<2",
            "google-cloud-storage",
            "kfp-pipeline-spec<2.17",
        ],
        "schedule": ["apscheduler>=3.11,<4"],
        "serving": [
            "fastapi",
            "grpcio",
            "kserve==0.21.0",
            "orjson",
            "prometheus-client",
            "starlette",
            "uvicorn",
        ],
        "dev": [
            "hypothesis",
            "mypy",
            "playwright",
            "pytest",
            "pytest-xdist",
            "ruff",
            "scikit-learn",
            "tensorflow-serving-api",
            "types-PyYAML",
        ],
    },
    entry_points={"console_scripts": ["authorprofile=pipeline.cli:main"]},
)
