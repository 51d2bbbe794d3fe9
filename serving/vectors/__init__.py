"""Sentence vectors: the encoder (`encoder_process`, `encoder_thread`) and nearest-neighbour search (`index`).

Others use `encoder_process`, `encoder_thread`, `index` and `shared_encoder`.
"""
