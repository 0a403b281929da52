"""A model of what the registry holds of one namespace with one server, small enough to be plainly right."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.app.registry.operator import BROKEN, TOOLS

SEALING = frozenset({"put_credential", "rotate_secrets"})
"""What depends on the key."""


class Refused(Exception):
    """What is asked for is refused by an error of this name, and changes nothing."""


@dataclass(frozen=True)
class Server:
    """A server: the documents of its revisions, which is served and which waits, and what an owner set.

    `secret` is the credential, "" where none can be read.
    """

    documents: tuple[int, ...]
    live: int = 1
    draft: int | None = None
    review: str = ""
    disabled: frozenset[str] = frozenset()
    secret: str = ""
    has_secret: bool = False
    key: int = 0

    @property
    def document(self) -> int:
        """The document that is served."""
        return self.documents[self.live - 1]

    def listed(self, document: int | None = None) -> frozenset[str]:
        """Give the tools that callers see, or would see of another document."""
        return TOOLS[self.document if document is None else document] - self.disabled


@dataclass(frozen=True)
class State:
    """What there is: the namespace, and its server."""

    exists: bool = False
    server: Server | None = None

    def after(self, what: str, *, key: int, **given: object) -> State:
        """Give what there is when something was done with a key; raises `Refused`."""
        if what in SEALING:
            given["key"] = key
        done: State = getattr(self, f"_{what}")(**given)
        return done

    def _there(self) -> Server:
        if self.server is None:
            raise Refused("ServerNotFound")
        return self.server

    def _create_namespace(self) -> State:
        if self.exists:
            raise Refused("NamespaceExists")
        return State(exists=True)

    def _delete_namespace(self) -> State:
        if not self.exists:
            raise Refused("NamespaceNotFound")
        return State()

    def _create_server(self, *, document: int) -> State:
        if not self.exists:
            raise Refused("NamespaceNotFound")
        if document == BROKEN:
            raise Refused("DescriptionError")
        if self.server is not None:
            raise Refused("ServerExists")
        return State(exists=True, server=Server((document,)))

    def _replace_document(self, *, document: int) -> State:
        server = self._there()
        if document == BROKEN:
            raise Refused("DescriptionError")
        if document == server.document:
            return replace(self, server=replace(server, draft=None))
        if server.review == "freeze":
            raise Refused("ServerFrozenError")
        old, new = server.listed(), server.listed(document)
        # What was called must be; and where nothing was, every origin is a new one.
        needs_review = not old <= new or (not old and new)
        documents = (*server.documents, document)
        if server.review != "review" or not needs_review:
            return replace(self, server=replace(server, documents=documents, live=len(documents), draft=None))
        if server.draft is not None and server.documents[server.draft - 1] == document:
            return self
        return replace(self, server=replace(server, documents=documents, draft=len(documents)))

    def _delete_server(self) -> State:
        self._there()
        return replace(self, server=None)

    def _review(self, *, policy: str) -> State:
        return replace(self, server=replace(self._there(), review=policy))

    def _activate_revision(self, *, number: int) -> State:
        server = self._there()
        if number > len(server.documents):
            raise Refused("RevisionNotFound")
        return replace(self, server=replace(server, live=number, draft=None))

    def _override(self, *, tool: str, enabled: bool) -> State:
        server = self._there()
        if tool not in TOOLS[server.document]:
            raise Refused("ToolNotFound")
        disabled = server.disabled - {tool} if enabled else server.disabled | {tool}
        return replace(self, server=replace(server, disabled=disabled))

    def _put_credential(self, *, key: int, value: str) -> State:
        return replace(self, server=replace(self._there(), secret=value, has_secret=True, key=key))

    def _delete_credential(self) -> State:
        server = self._there()
        if not server.has_secret:
            raise Refused("CredentialNotFound")
        return replace(self, server=replace(server, secret="", has_secret=False, key=0))

    def _rotate_secrets(self, *, key: int) -> State:
        if self.server is None or not self.server.secret:
            return self
        return replace(self, server=replace(self.server, key=key))
