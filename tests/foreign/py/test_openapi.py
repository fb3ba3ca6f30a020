"""The control API's description, read by a validator that knows nothing of us."""

from openapi_spec_validator import OpenAPIV31SpecValidator

from conftest import rest


def test_the_description_is_openapi_3_1(mock):
    document = rest(f"{mock.base}/_mock/openapi.json")
    assert document["openapi"].startswith("3.1")
    errors = [f"{'/'.join(map(str, error.path))}: {error.message}" for error in OpenAPIV31SpecValidator(document).iter_errors()]
    assert errors == []


def test_the_validator_finds_what_is_wrong(mock):
    document = rest(f"{mock.base}/_mock/openapi.json")
    document["paths"]["/_mock/faults/{id}"]["delete"]["parameters"] = []
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) != []
