"""What every test of the released azure-ai-ml begins with, in an environment of its own."""

from __future__ import annotations

# What a test's first call can run.
V2_LIBRARIES = """import logging
from azure.ai.ml import MLClient, Input, command, load_job
from azure.ai.ml.entities import Environment
from azure.identity import DefaultAzureCredential
client = MLClient.from_config(DefaultAzureCredential())
def submit(arguments="", **options):
    return client.jobs.create_or_update(
        command(
            code="./project",
            command="python job.py " + arguments,
            environment=Environment(image="an-image", conda_file="conda.yaml"),
            **{"compute": "cpu-cluster", "experiment_name": "jobs", **options},
        )
    )
"""
