# SPDX-License-Identifier: Apache-2.0
"""A set that no device of the group could run is refused when it is submitted, not on the device."""
import os

import pytest

import forge
import harness
from office import Office, Phone

MACHINE = {"amd64": "x86_64", "arm64": "aarch64"}


@pytest.fixture(scope="module")
def office():
    with harness.World() as world:
        yield Office(world).publish()


def image(office, did, architecture, version=1):
    layer = forge.Layer(os.urandom(20000))
    office.put_layer(layer)
    return office.forge.image(did, version, [layer], architecture=architecture)


def phone_of(office, architecture, group="field"):
    """One that said what it is."""
    p = Phone(office).enroll(group=group)
    p.open()
    p.hello(inventory={"machine": MACHINE[architecture]})
    p.wait("ack", want=lambda m: m["stream"] == "audit")
    p.close()
    return p


def refused(office, doc, **kw):
    r = office.call("POST", "/v1/documents", doc.object, **kw)
    assert r.status_code == 422 and r.json()["code"] == "err.architecture", r.text
    left = office.get(f"/v1/documents?filter=type eq {doc.type} and id eq {doc.id}")["items"]
    assert doc.sha256 not in [d["sha256"] for d in left], "nothing of it is kept"
    return r.json()["detail"]


def test_a_group_whose_device_cannot_run_the_image_is_refused(office):
    """And one that names an image for both is taken, so that only the architecture refuses."""
    device = phone_of(office, "amd64")
    office.submit(image(office, "tablet", "arm64"))
    office.submit(office.forge.config("kiosk", 1, "tablet"))
    configs = [("work", 1), ("personal", 1)]
    why = refused(office, office.forge.group("field", 2, [("baseline", 1)], [*configs, ("kiosk", 1)]))
    assert "tablet" in why and device.id in why and "arm64" in why and "amd64" in why, why
    # The same set for a group that has none, and for one whose devices say that they can.
    office.submit(office.forge.group("lab", 1, [("baseline", 1)], [("kiosk", 1)]))
    phone_of(office, "arm64", "lab")
    office.submit(office.forge.group("lab", 2, [("baseline", 1)], [("kiosk", 1)]))
    office.submit(office.forge.group("field", 2, [("baseline", 1)], configs))


def test_an_image_keeps_its_architecture(office):
    why = refused(office, image(office, "tiny", "arm64", 2))
    assert "tiny version 1" in why and "another id" in why, why
    office.submit(image(office, "tiny", forge.ARCHITECTURE, 2))
    office.submit(image(office, "mainframe", "s390x"))
    assert office.get("/v1/images/mainframe/1")["architecture"] == "s390x"


def put_in_use(office, group, vp, image_id):
    office.submit(office.forge.config(vp, 1, image_id))
    office.submit(office.forge.group(group, 1, [("baseline", 1)], [(vp, 1)]))


def test_a_config_or_an_image_that_a_device_cannot_run_is_refused(office):
    """A config's next version names another image; or the image comes after the config that names it."""
    device = phone_of(office, "amd64", "desk")
    office.submit(image(office, "box", "amd64"))
    office.submit(image(office, "slate", "arm64"))
    put_in_use(office, "desk", "till", "box")
    why = refused(office, office.forge.config("till", 2, "slate"))
    assert "slate" in why and device.id in why and "group desk" in why, why
    office.submit(office.forge.config("till", 2, "later"))
    why = refused(office, image(office, "later", "arm64"))
    assert "later version 1" in why and device.id in why, why
    office.submit(image(office, "later", "amd64"))


def test_a_refusal_names_no_device_of_another_group(office):
    device = phone_of(office, "amd64", "vault")
    office.submit(image(office, "safe", "amd64"))
    office.submit(image(office, "other", "arm64"))
    put_in_use(office, "vault", "lock", "safe")
    stranger = office.new_token("policy-admin", ["lab"])
    next_one = office.forge.config("lock", 2, "other")
    why = refused(office, next_one, token=stranger)
    assert "other version 1 is for arm64" in why and device.id not in why and "vault" not in why, why
    assert device.id in refused(office, next_one, token=office.new_token("policy-admin", ["vault"]))
