"""One dialect's official Python client, driven line by line: a question as JSON on stdin, the answer as JSON on stdout.

A question that offers tools is a loop: the client's call is answered with `tool_output`, and the answer is that of the second turn.
"""

import base64
import json
import sys


def content(question, words, picture):
    """The user's words, with the picture behind them where there is one."""
    return [words(question["prompt"]), picture(question["media_type"], question["picture"])] if "picture" in question else question["prompt"]


def tools_of(question, wrap):
    return [wrap(tool) for tool in question.get("tools") or []]


def chat(question):
    import openai

    client = openai.OpenAI(api_key=question["key"], base_url=question["origin"] + "/v1", max_retries=0)
    messages = [{"role": "system", "content": question["system"]}] if "system" in question else []
    messages.append({"role": "user", "content": content(
        question,
        lambda text: {"type": "text", "text": text},
        lambda kind, data: {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}},
    )})
    tools = tools_of(question, lambda tool: {"type": "function", "function": tool})
    settings = {"model": question["model"], **({"tools": tools} if tools else {})}
    if "max_tokens" in question:
        settings["max_completion_tokens"] = question["max_tokens"]

    def turn():
        if not question["stream"]:
            return client.chat.completions.create(messages=messages, **settings)
        with client.chat.completions.stream(messages=messages, stream_options={"include_usage": True}, **settings) as stream:
            return stream.get_final_completion()

    calls = []
    completion = turn()
    message = completion.choices[0].message
    if message.tool_calls:
        calls = [{"id": call.id, "name": call.function.name, "args": json.loads(call.function.arguments)} for call in message.tool_calls]
        messages.append({
            "role": "assistant", "content": message.content,
            "tool_calls": [
                {"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": call.function.arguments}, **extras(call)}
                for call in message.tool_calls
            ],
        })
        messages += [{"role": "tool", "tool_call_id": call["id"], "content": question["tool_output"]} for call in calls]
        completion = turn()
    choice = completion.choices[0]
    return {
        "text": choice.message.content or "",
        "toolCalls": calls,
        "finish": {"stop": "stop", "length": "max_tokens"}.get(choice.finish_reason, choice.finish_reason),
        "usage": {
            "input": completion.usage.prompt_tokens,
            "output": completion.usage.completion_tokens,
            "cached": completion.usage.prompt_tokens_details.cached_tokens,
        },
    }


def extras(call):
    """What came beside the known fields; `index` is of the stream's accumulator."""
    return {name: value for name, value in (call.model_extra or {}).items() if name != "index"}


def responses(question):
    import openai

    client = openai.OpenAI(api_key=question["key"], base_url=question["origin"] + "/v1", max_retries=0)
    items = [{"role": "user", "content": content(
        question,
        lambda text: {"type": "input_text", "text": text},
        lambda kind, data: {"type": "input_image", "detail": "auto", "image_url": f"data:{kind};base64,{data}"},
    )}]
    tools = tools_of(question, lambda tool: {"type": "function", "strict": False, "parameters": None, **tool})
    settings = {"model": question["model"], **({"tools": tools} if tools else {})}
    if "system" in question:
        settings["instructions"] = question["system"]
    if "max_tokens" in question:
        settings["max_output_tokens"] = question["max_tokens"]

    def turn():
        if not question["stream"]:
            return client.responses.create(input=items, **settings)
        with client.responses.stream(input=items, **settings) as stream:
            return stream.get_final_response()

    response = turn()
    asked = [item for item in response.output if item.type == "function_call"]
    calls = [{"id": item.call_id, "name": item.name, "args": json.loads(item.arguments)} for item in asked]
    if asked:
        items += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in response.output]
        items += [{"type": "function_call_output", "call_id": item.call_id, "output": question["tool_output"]} for item in asked]
        response = turn()
    return {
        "text": response.output_text,
        "toolCalls": calls,
        "finish": "stop" if response.status == "completed" else response.status,
        "usage": {
            "input": response.usage.input_tokens,
            "output": response.usage.output_tokens,
            "cached": response.usage.input_tokens_details.cached_tokens,
        },
    }


def messages(question):
    import anthropic

    client = anthropic.Anthropic(api_key=question["key"], base_url=question["origin"], max_retries=0)
    turns = [{"role": "user", "content": content(
        question,
        lambda text: {"type": "text", "text": text},
        lambda kind, data: {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}},
    )}]
    tools = tools_of(question, lambda tool: {
        "name": tool["name"], "description": tool["description"], "input_schema": tool.get("parameters", {"type": "object", "properties": {}}),
    })
    settings = {"model": question["model"], "max_tokens": question.get("max_tokens", 4096), **({"tools": tools} if tools else {})}
    if "system" in question:
        settings["system"] = question["system"]

    def turn():
        if not question["stream"]:
            return client.messages.create(messages=turns, **settings)
        with client.messages.stream(messages=turns, **settings) as stream:
            return stream.get_final_message()

    message = turn()
    asked = [block for block in message.content if block.type == "tool_use"]
    calls = [{"id": block.id, "name": block.name, "args": block.input} for block in asked]
    if asked:
        turns.append({"role": "assistant", "content": message.content})
        turns.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": block.id, "content": question["tool_output"]} for block in asked]})
        message = turn()
    cached = message.usage.cache_read_input_tokens or 0
    return {
        "text": "".join(block.text for block in message.content if block.type == "text"),
        "toolCalls": calls,
        "finish": {"end_turn": "stop"}.get(message.stop_reason, message.stop_reason),
        "usage": {"input": message.usage.input_tokens + cached, "output": message.usage.output_tokens, "cached": cached},
    }


def gemini(question):
    from google import genai
    from google.genai import types

    client = genai.Client(api_key=question["key"], http_options=types.HttpOptions(base_url=question["origin"]))
    declarations = tools_of(question, lambda tool: types.FunctionDeclaration(
        name=tool["name"], description=tool["description"], parameters_json_schema=tool.get("parameters"),
    ))
    config = types.GenerateContentConfig(
        system_instruction=question.get("system"),
        max_output_tokens=question.get("max_tokens"),
        tools=[types.Tool(function_declarations=declarations)] if declarations else None,
    )
    # The client's own chat keeps the history, signatures and all.
    session = client.chats.create(model=question["model"], config=config)

    def turn(message):
        if not question["stream"]:
            return [session.send_message(message)]
        return list(session.send_message_stream(message))

    pieces = turn(content(
        question,
        lambda text: types.Part(text=text),
        lambda kind, data: types.Part.from_bytes(data=base64.b64decode(data), mime_type=kind),
    ))
    asked = [call for piece in pieces for call in piece.function_calls or []]
    calls = [{"id": call.id or "", "name": call.name, "args": call.args or {}} for call in asked]
    if asked:
        pieces = turn([
            types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": question["tool_output"]}))
            for call in asked
        ])
    usage = [piece.usage_metadata for piece in pieces if piece.usage_metadata][-1]
    finish = [candidate.finish_reason for piece in pieces for candidate in piece.candidates or [] if candidate.finish_reason][-1]
    return {
        "text": "".join(part.text or "" for piece in pieces for candidate in piece.candidates or [] if candidate.content for part in candidate.content.parts or [] if not part.thought),
        "toolCalls": calls,
        "finish": {"STOP": "stop", "MAX_TOKENS": "max_tokens"}.get(finish.value, finish.value),
        "usage": {
            "input": usage.prompt_token_count or 0,
            "output": (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
            "cached": usage.cached_content_token_count or 0,
        },
    }


def main():
    drive = {"chat": chat, "responses": responses, "messages": messages, "gemini": gemini}[sys.argv[1]]
    for line in sys.stdin:
        try:
            answer = drive(json.loads(line))
        except Exception as error:  # whatever the client raises is the answer
            answer = {"text": "", "toolCalls": [], "error": {"status": getattr(error, "status_code", getattr(error, "code", None)), "message": f"{type(error).__name__}: {error}"}}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
