"""What was sealed for one purpose opens for no other, whichever door it is brought to."""

from __future__ import annotations

import pytest
from tests.connections.internet import URL, Internet
from tests.web.world import BASE, SAME_ORIGIN, Browser, World, location, query_of, text_of

from valetkey.connections.links import complete_authorization, connect_url
from valetkey.connections.mcp import begin_mcp_authorization
from valetkey.connections.seal import doctor_place
from valetkey.connections.server_page import server_page
from valetkey.connections.settings import McpSettings
from valetkey.effects import Open, Place, Seal
from valetkey.errors import RequestRefused, SealBroken, StoreError

PURPOSES = ("flow", "lean-flow", "connection", "done", "form", "link", "claim", "registration", "server", "doctor")


def sealed_for_everything() -> tuple[World, dict[str, tuple[Place, str]]]:
    """A world in which everything was done once, and the last value that was sealed for each purpose."""
    world = World(completion_url="https://app.example/done", mcp=McpSettings(page=True))
    seals: dict[str, tuple[Place, str]] = {}
    answer = world.answer

    def watch(effect: object) -> object:
        found = answer(effect)  # type: ignore[arg-type]
        if isinstance(effect, Seal):
            assert isinstance(found, bytes)
            seals[effect.place.purpose] = effect.place, found.decode()
        return found

    world.answer = watch  # type: ignore[method-assign]
    browser = world.browser()
    assert browser.connect().status == 303
    assert browser.get("/oauth/connections").status == 200
    _ = linked(world)
    internet = Internet(world)  # type: ignore[arg-type]
    _ = internet.resource(URL, internet.server())
    for label in ("", "x" * 200):
        begun = begin_mcp_authorization(world.settings, URL, resource_owner="alice", cookies=(), account=label)
        _ = world.run(begun)
    _ = world.run(server_page(world.settings, URL, owner="alice"))
    _ = world.answer(Seal(doctor_place(world.settings.environment), str(int(world.clock.now())).encode()))
    return world, seals


def linked(world: World) -> str:
    """The handle that a link followed to its end gives."""
    link = world.run(connect_url(world.settings, "github", resource_owner="alice")).removeprefix(BASE)
    visitor = world.browser(None)
    asked = query_of(location(visitor.send("POST", f"/oauth{link}", headers=SAME_ORIGIN, form={})))
    return query_of(location(visitor.get(f"/oauth/callback/github?code=c&state={asked['state']}")))["handle"]


def test_no_seal_opens_in_the_place_of_another() -> None:
    world, seals = sealed_for_everything()
    assert seals.keys() >= set(PURPOSES)

    for purpose, (_, sealed) in seals.items():
        for other, (place, _) in seals.items():
            if other != purpose:
                with pytest.raises(SealBroken):
                    world.keys.open(place, sealed.encode())


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_door_takes_its_own_seals_only(purpose: str) -> None:
    world, seals = sealed_for_everything()
    sealed = seals[purpose][1]
    browser: Browser = world.browser()

    by_form = browser.send(
        "POST", "/oauth/connections/forget", form={"form": sealed, "registration": "github", "account": ""}
    )
    assert by_form.status == (303 if purpose == "form" else 403)
    assert browser.get(f"/oauth/link/{sealed}").status == (200 if purpose == "link" else 404)
    assert world.browser().get(f"/oauth/doctor/{sealed}").status == (200 if purpose == "doctor" else 404)
    assert browser.get(f"/oauth/mcp?server={sealed}").status == (200 if purpose == "server" else 404)
    assert browser.get(f"/oauth/connections?cursor={sealed}").status == 400
    state = browser.start()["state"]
    name, text = next(iter(browser.jar.items()))
    context, flow, _ = text.split("~")
    browser.jar[name] = f"{context}~{flow}~{sealed}"
    assert browser.get(f"/oauth/callback/github?code=c&state={state}").status == 400


@pytest.mark.parametrize("purpose", ["link", "server", "doctor"])
def test_what_cannot_be_opened_now_is_not_called_wrong(purpose: str) -> None:
    world, seals = sealed_for_everything()
    sealed, answer = seals[purpose][1], world.answer

    def away(effect: object) -> object:
        if isinstance(effect, Open):
            message = "the key service does not answer: try again"
            raise StoreError(message)
        return answer(effect)  # type: ignore[arg-type]

    path = {"link": f"link/{sealed}", "server": f"mcp?server={sealed}", "doctor": f"doctor/{sealed}"}[purpose]
    browser: Browser = world.browser()
    assert browser.get(f"/oauth/{path}").status == 200
    world.answer = away  # type: ignore[method-assign]

    assert browser.get(f"/oauth/{path}").status == 503


@pytest.mark.parametrize("purpose", PURPOSES)
def test_no_seal_is_a_handle(purpose: str) -> None:
    world, seals = sealed_for_everything()

    with pytest.raises(RequestRefused) as caught:
        world.run(complete_authorization(world.settings, seals[purpose][1], resource_owner="alice"))

    assert caught.value.reason == "handle_unknown"


def test_a_handle_brought_to_a_page_is_nothing() -> None:
    world = World(completion_url="https://app.example/done")
    handle = linked(world)
    browser = world.browser()

    assert browser.get(f"/oauth/link/{handle}").status == 404
    assert browser.get(f"/oauth/callback/github?code=c&state={handle}").status == 400
    assert "Nothing was connected" in text_of(browser.get(f"/oauth/callback/github?code=c&state={handle}"))


def test_an_opened_place_is_what_the_effect_named() -> None:
    """The test of the test: each of these seals opens where it belongs."""
    world, seals = sealed_for_everything()

    for place, sealed in seals.values():
        assert isinstance(world.answer(Open(place, sealed.encode())), bytes)
