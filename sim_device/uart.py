"""What a UART reads when the sender's clock is not its own: bit by bit, as the receiver samples the line."""

from __future__ import annotations


def misread(data: bytes, sent_baud: int, read_baud: int) -> bytes:
    """The bytes that a receiver at `read_baud` makes of `data`, sent back to back, 8N1, at `sent_baud`.

    A falling edge that is still low half a bit later starts a byte, each bit is sampled in its middle; the
    byte counts whatever its stop bit is: what a driver gives unless told to mark framing errors. Rates up to
    5 % apart agree.
    """
    levels = [level for byte in data for level in (0, *(byte >> bit & 1 for bit in range(8)), 1)]
    # The unit of time is 1 / (2 sent_baud read_baud) s, so that half a bit of either side is a whole number.
    sent_bit, half_bit = 2 * read_baud, sent_baud

    def sampled(edge: int, halves: int) -> int:
        """The level so many half bits of the receiver after an edge; the line idles high."""
        place = edge + halves * half_bit // sent_bit
        return levels[place] if place < len(levels) else 1

    read = bytearray()
    place = 0
    while (edge := _falling_edge(levels, place)) < len(levels):
        halves = 1
        if not sampled(edge, halves):
            read.append(sum(sampled(edge, 3 + 2 * bit) << bit for bit in range(8)))
            halves = 19  # the middle of the stop bit
        place = edge + max(1, -(-halves * half_bit // sent_bit))
    return bytes(read)


def _falling_edge(levels: list[int], place: int) -> int:
    """The first bit from `place` on that is low after a high one; the number of bits if there is none."""
    while place < len(levels) and (levels[place] or (place and not levels[place - 1])):
        place += 1
    return place
