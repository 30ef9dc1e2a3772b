"""How a pulse comes about, from first principles: the model behind the plant's laser head (needs numpy)."""
