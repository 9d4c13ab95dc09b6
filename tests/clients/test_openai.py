"""The official OpenAI client, unchanged, through the sidecar."""

import json

import openai
import pytest

from harness.process import wait_until
from harness.standin import SECRET_OF_UPSTREAM

ADDRESS = "ada.lovelace@example.org"
CARD = "4111 1111 1111 1111"
IBAN = "DE89 3704 0044 0532 0130 00"
PHONE = "+49 30 901820"
PERSONAL = [ADDRESS, CARD, IBAN, PHONE]
PROMPT = f"Write to {ADDRESS} — card {CARD}, account {IBAN}, phone {PHONE}. Grüße aus Köln 🙂"
STREAMED = ["echo", "echo-letters", "echo-bytes", "echo-crlf"]


def ask(client, model, text=PROMPT, **options):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **options)


def reached(topology, mark):
    """The one request that reached the model after the mark."""
    (seen,) = topology.model.since(mark)
    return seen


def assert_pseudonymised(seen):
    for value in PERSONAL:
        assert value.encode() not in seen.raw(), f"{value} left"
        assert value.replace(" ", "").encode() not in seen.raw().replace(b" ", b""), f"{value} left"
    body = json.loads(seen.body)
    assert "Grüße aus Köln 🙂" in body["messages"][-1]["content"], "the rest of the text is changed"


def test_chat_comes_back_restored_and_leaves_pseudonymised(topology):
    mark = topology.model.mark()
    answer = ask(topology.openai(), "echo")
    assert answer.choices[0].message.content == PROMPT
    assert answer.usage.total_tokens == 18
    seen = reached(topology, mark)
    assert seen.path == "/v1/chat/completions"
    assert_pseudonymised(seen)


@pytest.mark.parametrize("model", STREAMED)
def test_streams_come_back_restored(topology, model):
    mark = topology.model.mark()
    text, finish = "", None
    for chunk in ask(topology.openai(), model, stream=True):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    assert text == PROMPT
    assert finish == "stop"
    assert_pseudonymised(reached(topology, mark))


def test_a_stream_with_usage(topology):
    usage = None
    for chunk in ask(topology.openai(), "echo", stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
    assert usage.total_tokens == 18


@pytest.mark.parametrize("stream", [False, True])
def test_tool_arguments_are_restored_inside_their_json(topology, stream):
    answer = ask(topology.openai(), "tool", stream=stream)
    if stream:
        deltas = [c.choices[0].delta for c in answer if c.choices]
        arguments = "".join(d.tool_calls[0].function.arguments or "" for d in deltas if d.tool_calls)
    else:
        arguments = answer.choices[0].message.tool_calls[0].function.arguments
    assert json.loads(arguments) == {"text": PROMPT}


def test_every_text_of_a_conversation_is_covered(topology):
    mark = topology.model.mark()
    topology.openai().chat.completions.create(
        model="echo",
        user=ADDRESS,
        metadata={"owner": ADDRESS},
        stop=[ADDRESS],
        messages=[
            {"role": "system", "content": f"You know {ADDRESS}"},
            {"role": "user", "content": [{"type": "text", "text": f"I am {ADDRESS}"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"to": ADDRESS})}}],
            },
            {"role": "tool", "tool_call_id": "t1", "content": f"sent to {ADDRESS}"},
            {"role": "user", "content": "done"},
        ],
        tools=[
            {
                "type": "function",
                "function": {"name": "f", "description": f"mails {ADDRESS}", "parameters": {"type": "object", "properties": {"to": {"type": "string", "description": ADDRESS}}}},
            }
        ],
    )
    assert ADDRESS.encode() not in reached(topology, mark).raw()


def test_equal_values_get_equal_pseudonyms_and_other_tenants_get_others(topology):
    def content(tenant):
        mark = topology.model.mark()
        ask(topology.openai(tenant), "echo", f"{ADDRESS} and {ADDRESS}")
        return json.loads(reached(topology, mark).body)["messages"][0]["content"]

    first, again, other = content("acme"), content("acme"), content("globex")
    left, right = first.split(" and ")
    assert left == right
    assert first == again
    assert first != other


def test_embeddings(topology):
    mark = topology.model.mark()
    answer = topology.openai().embeddings.create(model="any", input=[f"deed of {ADDRESS}", "another"], encoding_format="float")
    assert len(answer.data) == 2 and len(answer.data[0].embedding) == 32
    seen = reached(topology, mark)
    assert seen.path == "/v1/embeddings" and ADDRESS.encode() not in seen.raw()


def test_models_are_listed(topology):
    assert {m.id for m in topology.openai().models.list()} == {"echo", "echo-letters", "tool"}


def test_the_record_id_is_told(topology):
    raw = topology.openai().chat.completions.with_raw_response.create(model="echo", messages=[{"role": "user", "content": "hi"}])
    record = raw.headers["x-aios-record"]

    def both():
        return topology.sidecar.ledger.of(record) == ["intent", "outcome"]

    wait_until(both, "intent and outcome are in the exported ledger")


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (lambda c: c.responses.create(model="echo", input="hi"), 404),
        (lambda c: c.images.generate(prompt="a cat"), 404),
        (lambda c: c.audio.speech.create(model="x", voice="alloy", input="hi"), 404),
        (lambda c: c.completions.create(model="echo", prompt="hi"), 404),
        (lambda c: c.files.list(), 404),
        (lambda c: c.models.retrieve("echo"), 404),
    ],
    ids=["responses", "images", "speech", "completions", "files", "model"],
)
def test_unknown_surfaces_are_denied_in_the_clients_dialect(topology, call, status):
    mark = topology.upstreams_saw()
    with pytest.raises(openai.APIStatusError) as refused:
        call(topology.openai())
    assert refused.value.status_code in (status, 403, 405)
    assert refused.value.body["aios_code"]
    assert topology.saw_since(mark) == []


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_errors_that_are_not_the_callers_business_carry_no_secret(topology, status):
    """An upstream's 401 speaks of the sidecar's own credential, its 5xx of its inside."""
    with pytest.raises(openai.APIStatusError) as failed:
        ask(topology.openai(), f"status-{status}")
    assert failed.value.status_code >= 500
    assert failed.value.body["aios_code"]
    assert failed.value.body["blame"] == "upstream"
    assert SECRET_OF_UPSTREAM not in failed.value.response.text


@pytest.mark.parametrize("status", [400, 404, 422, 429])
def test_errors_of_the_caller_are_told(topology, status):
    """What the upstream says of the caller's own call, such as a limit that it passed, is for the caller."""
    with pytest.raises(openai.APIStatusError) as failed:
        ask(topology.openai(), f"status-{status}")
    assert failed.value.status_code == status
    assert failed.value.body["aios_code"] == "upstream_refused"
    assert failed.value.body["blame"] == "upstream"
    assert "it failed" in failed.value.body["message"]


def test_a_broken_stream_does_not_look_whole(topology):
    with pytest.raises(Exception) as broken:
        for _ in ask(topology.openai(), "cut", "a text that is long enough for several events", stream=True):
            pass
    assert not isinstance(broken.value, AssertionError)


def test_an_answer_that_is_not_json_is_the_upstreams_fault(topology):
    with pytest.raises(openai.APIStatusError) as failed:
        ask(topology.openai(), "garbage")
    assert failed.value.status_code == 502
    assert failed.value.body["blame"] == "upstream"


@pytest.mark.parametrize("issuer", [0, 1, 2], ids=["EdDSA", "RS256", "ES256"])
def test_every_algorithm_of_the_slice_is_accepted(topology, issuer):
    token = topology.sidecar.issuers[issuer].token("acme")
    assert ask(topology.openai(token=token), "echo", "hi").choices[0].message.content == "hi"


def test_parallel_calls_do_not_mix(topology):
    from concurrent.futures import ThreadPoolExecutor

    def one(number):
        text = f"number {number} is person{number}@example.org"
        tenant = ("acme", "globex")[number % 2]
        return ask(topology.openai(tenant), "echo-letters", text, stream=True), text

    def whole(pair):
        stream, text = pair
        return "".join(c.choices[0].delta.content or "" for c in stream if c.choices), text

    with ThreadPoolExecutor(16) as pool:
        for got, want in pool.map(lambda n: whole(one(n)), range(64)):
            assert got == want
