"""The wire, declared once: messages, states, faults, channels, framing, link, console, MQTT schema."""
