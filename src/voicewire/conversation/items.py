"""The items of a conversation in their one order."""

from __future__ import annotations

from collections.abc import Iterator

from voicewire.errors import LocalProtocolError
from voicewire.events.items import Item

ROOT = "root"
"""As ``after``: put the item first."""


class ItemLog:
    """Items with unique ids in a total order."""

    def __init__(self) -> None:
        self._order: list[str] = []
        self._by_id: dict[str, Item] = {}

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Item]:
        return iter([self._by_id[item_id] for item_id in self._order])

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._by_id

    def get(self, item_id: str) -> Item | None:
        """The item, None when there is none of this id."""
        return self._by_id.get(item_id)

    def add(self, item: Item, *, after: str | None = None) -> str | None:
        """Puts an item into the order.

        Args:
            item: The item, its id not empty and not taken.
            after: Insert behind this item; None appends, ``root`` puts it first.

        Returns:
            The id of the item before it, None when it is the first.

        Raises:
            LocalProtocolError: The id is empty or taken, or ``after`` is unknown.
        """
        if not item.id or item.id in self._by_id:
            raise LocalProtocolError(
                f"item id {item.id!r} is empty or taken; ids are unique in a conversation"
            )
        if after is None:
            place = len(self._order)
        elif after == ROOT:
            place = 0
        elif after in self._by_id:
            place = self._order.index(after) + 1
        else:
            raise LocalProtocolError(f"cannot insert after item {after!r}: it does not exist")
        self._order.insert(place, item.id)
        self._by_id[item.id] = item
        return self._order[place - 1] if place else None

    def replace(self, item: Item) -> None:
        """Puts a new version of an item in the place of the old one.

        Raises:
            LocalProtocolError: There is no item of this id.
        """
        if item.id not in self._by_id:
            raise LocalProtocolError(f"item {item.id!r} does not exist; add it first")
        self._by_id[item.id] = item

    def remove(self, item_id: str) -> Item | None:
        """Takes an item out; None when there is none of this id."""
        item = self._by_id.pop(item_id, None)
        if item is not None:
            self._order.remove(item_id)
        return item

    @property
    def last_id(self) -> str | None:
        """The id of the last item, None when there is none."""
        return self._order[-1] if self._order else None

    def previous_id(self, item_id: str) -> str | None:
        """The id of the item before this one, None when it is the first or unknown."""
        if item_id not in self._by_id:
            return None
        place = self._order.index(item_id)
        return self._order[place - 1] if place else None

    def verify(self) -> None:
        """Asserts that ids are unique and the order is total (invariant 4)."""
        assert len(self._order) == len(set(self._order)) == len(self._by_id)
        assert all(self._by_id[item_id].id == item_id for item_id in self._order)
