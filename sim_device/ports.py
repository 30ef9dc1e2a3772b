"""What a TCP port can be."""

from typing import Final

PORT_MAX: Final = 65_535  # 16 bits: RFC 9293, 3.1
