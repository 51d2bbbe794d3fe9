"""Sentence vectors: the encoder's thread (`encoder_thread`) and nearest-neighbour search (`index`).

Others use `background`, `encoder_thread` and `index`.
"""
