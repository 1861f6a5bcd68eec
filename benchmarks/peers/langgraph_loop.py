"""LangGraph: a graph of model and tool, in memory or with a checkpoint after each step.

python -m benchmarks.peers.langgraph_loop --model-url URL [--sqlite FILE]
"""

import argparse
import uuid
from contextlib import AsyncExitStack
from typing import Any

import uvloop
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph

from benchmarks.client import TOOLS
from benchmarks.measuring import Cell, serve_cells


def build(model_url: str, saver: AsyncSqliteSaver | None) -> Any:
    """Build the graph."""
    model = ChatOpenAI(model="bench", base_url=model_url, api_key="x").bind_tools(TOOLS)

    async def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    async def call_tools(state: MessagesState) -> dict[str, Any]:
        return {
            "messages": [
                ToolMessage(f"value of {call['args']['query']}", tool_call_id=call["id"])
                for call in state["messages"][-1].tool_calls
            ]
        }

    graph = StateGraph(MessagesState)
    graph.add_node("ask", ask)
    graph.add_node("call_tools", call_tools)
    graph.add_edge(START, "ask")
    graph.add_edge("call_tools", "ask")
    graph.add_conditional_edges(
        "ask", lambda state: "call_tools" if state["messages"][-1].tool_calls else END
    )
    return graph.compile(checkpointer=saver)


async def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model-url", required=True)
    parser.add_argument("--sqlite")
    given = parser.parse_args()
    async with AsyncExitStack() as cleanup:
        saver = None
        if given.sqlite:
            opened = AsyncSqliteSaver.from_conn_string(given.sqlite)
            saver = await cleanup.enter_async_context(opened)
            await saver.setup()
        graph = build(given.model_url, saver)

        async def run(cell: Cell) -> str:
            said = [
                SystemMessage("You are a helpful agent."),
                HumanMessage(f"tools={cell.tools}"),
            ]
            thread = {"configurable": {"thread_id": uuid.uuid4().hex}, "recursion_limit": 1000}
            durability = {"durability": "sync"} if saver else {}
            done = await graph.ainvoke({"messages": said}, thread, **durability)
            return done["messages"][-1].content

        await serve_cells(run)


if __name__ == "__main__":
    uvloop.run(main())
