"""The official Python client, pointed at the gateway."""

import asyncio

import openai
import pytest

QUESTION = [{"role": "user", "content": "Say hello. Łódź 🚀"}]
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def test_a_chat_completion_answers_with_usage(client):
    answer = client.chat.completions.create(model="e2e-small", messages=QUESTION)
    assert answer.choices[0].message.content == "Hello from upstream"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (21, 9)
    assert answer.usage.prompt_tokens_details.cached_tokens == 5


def test_an_answer_carries_the_gateways_headers(client, stage):
    raw = client.chat.completions.with_raw_response.create(model="e2e-small", messages=QUESTION)
    assert raw.headers["x-edgeway-provider"] == stage["providers"][0]
    assert raw.headers["x-edgeway-attempts"] == "1"
    assert raw.parse()._request_id == raw.headers["x-request-id"]


def test_a_stream_gives_its_words_and_no_usage_unasked(client):
    chunks = list(client.chat.completions.create(model="e2e-small", messages=QUESTION, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello from upstream"
    assert all(chunk.usage is None for chunk in chunks)


def test_a_stream_gives_usage_where_asked(client):
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(model="e2e-small", messages=QUESTION, stream=True, stream_options=options))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == 30


def test_the_async_client_streams_many_at_once(stage):
    async def words(client):
        stream = await client.chat.completions.create(model="e2e-small", messages=QUESTION, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def many():
        async with openai.AsyncOpenAI(base_url=stage["url"], api_key=stage["key"], max_retries=0) as client:
            return await asyncio.gather(*(words(client) for _ in range(20)))

    assert asyncio.run(many()) == ["Hello from upstream"] * 20


def test_a_tool_call_makes_a_round_trip(client):
    messages = list(QUESTION)
    asked = client.chat.completions.create(model="e2e-tool", messages=messages, tools=[WEATHER])
    call = asked.choices[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city":"Łódź"}')
    messages += [asked.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "Rain"}]
    answer = client.chat.completions.create(model="e2e-small", messages=messages, tools=[WEATHER])
    assert answer.choices[0].message.content == "Hello from upstream"


def test_parallel_tool_calls_stream(client):
    with client.chat.completions.stream(model="e2e-tools-streamed", messages=QUESTION, tools=[WEATHER]) as stream:
        message = stream.get_final_completion().choices[0].message
    assert [(call.id, call.function.arguments) for call in message.tool_calls] == [
        ("call_a", '{"city":"Oslo"}'),
        ("call_b", '{"city":"Rome"}'),
    ]


@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}])
def test_embeddings_come_in_both_encodings(client, options):
    answer = client.embeddings.create(model="e2e-embed", input=["one", "two"], **options)
    assert len(answer.data) == 2
    if options.get("encoding_format") != "base64":
        assert answer.data[1].embedding == [0.25, -0.5, 1.0]


def test_models_are_listed(client):
    assert all(model.object == "model" for model in client.models.list())


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("e2e-400", openai.BadRequestError),
        ("e2e-404", openai.NotFoundError),
        ("e2e-429", openai.RateLimitError),
        ("e2e-500", openai.InternalServerError),
    ],
)
def test_an_upstreams_refusal_raises_its_class(client, model, error):
    with pytest.raises(error) as raised:
        client.chat.completions.create(model=model, messages=QUESTION)
    if error is openai.BadRequestError:
        assert (raised.value.param, raised.value.code) == ("temperature", "unsupported_value")
        assert "Unsupported value" in str(raised.value)


def test_an_unknown_key_raises_authentication_error(stage):
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=stage["url"], api_key="gw_not_a_key", max_retries=0).models.list()


def test_death_in_mid_stream_raises_api_error_after_the_words_that_came(client):
    words = ""
    with pytest.raises(openai.APIError):
        for chunk in client.chat.completions.create(model="e2e-dies", messages=QUESTION, stream=True):
            words += chunk.choices[0].delta.content or ""
    assert words == "Half an ans"


@pytest.mark.parametrize("stream", [False, True])
def test_a_failing_first_provider_is_not_noticed(stage, stream):
    client = openai.OpenAI(base_url=stage["url"], api_key=stage["failover_key"], max_retries=0)
    answer = client.chat.completions.create(model="e2e-small", messages=QUESTION, stream=stream)
    words = "".join(chunk.choices[0].delta.content or "" for chunk in answer) if stream else answer.choices[0].message.content
    assert words == "Hello from upstream"
