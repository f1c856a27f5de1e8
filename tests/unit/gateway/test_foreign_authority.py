"""Another vendor's token service: where it may be asked."""

import pytest

from gateway.foreign_authority import read_endpoint
from gateway.issuer_metadata import MetadataUnusable


@pytest.mark.parametrize("url", ["http://issuer.example/introspect", "https://[", "", None])
def test_secret_is_not_sent_in_plain_where_the_issuer_is_not(url):
    metadata = {"introspection_endpoint": url}

    with pytest.raises(MetadataUnusable, match="introspection_endpoint"):
        read_endpoint(metadata, "https://issuer.example")


@pytest.mark.parametrize("issuer", ["https://issuer.example", "http://issuer.internal"])
def test_endpoint_is_where_the_issuer_says(issuer):
    metadata = {"introspection_endpoint": f"{issuer}/introspect"}

    assert read_endpoint(metadata, issuer) == f"{issuer}/introspect"
