# SPDX-License-Identifier: Apache-2.0
"""schema/openapi.yaml against the server's own route table."""
import re

import yaml

import harness

PATH = harness.TOP / "schema/openapi.yaml"
METHODS = ("get", "post", "put", "patch", "delete")


def described():
    api = yaml.safe_load(PATH.read_text())
    for path, item in api["paths"].items():
        for method in METHODS:
            if method in item:
                op = item[method]
                yield (method.upper(), path, op["x-right"], op["x-port"], op["operationId"]), item, op


def parameters(item, op):
    known = yaml.safe_load(PATH.read_text())["components"]["parameters"]
    for p in item.get("parameters", []) + op.get("parameters", []):
        yield known[p["$ref"].rsplit("/", 1)[1]] if "$ref" in p else p


def test_paths_methods_rights_ports_and_arguments_are_the_server_s():
    lines = harness.run([harness.program("cells-mgmtd"), "--print-routes"]).stdout.splitlines()
    theirs = {tuple(line.split()[:5]): sorted(line.split()[5:]) for line in lines}
    ours = {route: sorted(p["name"] for p in parameters(item, op) if p["in"] == "query")
            for route, item, op in described()}
    assert len(theirs) == len(lines)
    assert theirs == ours


def test_each_parameter_of_a_path_is_described():
    api = yaml.safe_load(PATH.read_text())
    for (method, path, *_), item, op in described():
        names = set(re.findall(r"{([^}]+)}", path))
        known = set()
        for p in item.get("parameters", []) + op.get("parameters", []):
            if "$ref" in p:
                p = api["components"]["parameters"][p["$ref"].rsplit("/", 1)[1]]
            if p["in"] == "path":
                known.add(p["name"])
        assert names == known, (method, path)


def test_references_lead_somewhere():
    api = yaml.safe_load(PATH.read_text())

    def walk(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "$ref":
                    at = api
                    for part in value[2:].split("/"):
                        at = at[part]
                else:
                    walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)
    walk(api)
