"""Tasks of the fixture server, which go on only when they are told to."""

EXTENSION = "io.modelcontextprotocol/tasks"
METHODS = ("tasks/get", "tasks/update", "tasks/cancel")
WHEN = "2026-11-01T10:00:00Z"


class Tasks:
    def __init__(self, core):
        self.core = core
        self.offered = "tasks" in core.options.offers.split(",")
        self.all = {}

    def capabilities(self):
        return {"extensions": {EXTENSION: {}}} if self.offered else {}

    def known(self, wanted):
        """A listen's filter without the tasks that there are not."""
        if "taskIds" not in wanted:
            return wanted
        return {**wanted, "taskIds": [name for name in wanted["taskIds"] if name in self.all]}

    def served(self, method, params):
        task = self.all.get(params["taskId"])
        return None if task is None else task if method == "tasks/get" else {}


def begin(tasks, arguments):
    """Answers with a task."""
    name = arguments["id"]
    times = {"createdAt": WHEN, "lastUpdatedAt": WHEN, "ttlMs": 60000}
    tasks.all[name] = {"taskId": name, "status": "working", **times}
    return {"resultType": "task", **tasks.all[name]}


def advance(tasks, arguments):
    """Changes a task, and says so unless that is to be missed."""
    task = tasks.all[arguments["id"]]
    task.update(arguments["with"])
    if not arguments.get("silently"):
        tasks.core.tell("notifications/tasks", **task)
    return {"content": [{"type": "text", "text": "advanced"}]}


def forget_task(tasks, arguments):
    del tasks.all[arguments["id"]]
    return {"content": [{"type": "text", "text": "forgotten"}]}


def hang_up(tasks, _):
    """Ends every stream that listens."""
    for stream in list(tasks.core.streams):
        stream.push(None)
    return {"content": [{"type": "text", "text": "done"}]}


TOOLS = {"begin": begin, "advance": advance, "forget_task": forget_task, "hang_up": hang_up}
