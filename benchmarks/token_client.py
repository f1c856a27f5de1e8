"""The benchmark's client: `python -m benchmarks.token_client '[id, secret, scope, resource]'`.

Run with the web role's environment. The client may ask for the scope and introspects its resource.
"""

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def main() -> None:
    django.setup()
    # Models load after the line above.
    from ims.checks.resource_declaration import ResourceDeclaration  # noqa: PLC0415
    from ims.services import (  # noqa: PLC0415
        provision_infrastructure_client,
        register_protected_resource,
    )

    client_id, secret, scope, resource = json.loads(sys.argv[1])
    provision_infrastructure_client.provision_infrastructure_client(
        client_id=client_id, name="Bench", scopes=[scope], secret=secret
    )
    register_protected_resource.register_protected_resource(
        declaration=ResourceDeclaration(
            resource=resource,
            resource_name="Bench",
            scopes={scope: "Read"},
            claims=(),
            introspection_clients=(client_id,),
        ),
        registered_by="benchmark",
    )


if __name__ == "__main__":
    main()
