"""What the processes of a local stack take from the environment."""

import pytest

from outlast_local.environment import without_provider_keys

NO_SECRETS = {"PATH": "/bin", "MODEL": "openai/x", "APP_KEYS": "{}", "SHOP_API_KEY": "the tool's"}


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "AZURE_CLIENT_ID",
        "HF_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "WORKER_PROVIDERS",
    ],
)
def test_keys_of_providers(name: str) -> None:
    """Who asks no model has none, and all else."""
    assert without_provider_keys({**NO_SECRETS, name: "secret-1"}) == NO_SECRETS


def test_a_provider_that_nobody_knows() -> None:
    """Its key is named after it."""
    given = {"MODEL": "new-one/x", "NEW_ONE_API_KEY": "secret-1"}
    assert without_provider_keys(given) == {"MODEL": "new-one/x"}
