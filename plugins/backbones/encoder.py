"""The encoder of SAM 2 without what nobody looks at. No gradients.

sam2 widens the maps of the first two stages to 256 channels and narrows them again for the mask decoder, two layers
with nothing between them: here they are one. Places are encoded for the embedding only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from .derived import Derived
from .hiera import Tokens, Trunk


class Encoder:
    """``SAM2Base.forward_image`` of a ``network`` whose neck adds the last stage to the third and leaves the others
    alone, as in all configurations of SAM 2.1.
    """

    def __init__(self, network: Any) -> None:
        self.network, self.trunk, self.derived = network, Trunk(network.image_encoder.trunk), Derived()

    def __call__(self, images: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...], torch.Tensor]:
        """Of images (B, 3, S, S): the embedding (B, C, S/16, S/16), the maps at S/4 and S/8, and the encoding of
        places, like the embedding.
        """
        neck, decoder = self.network.image_encoder.neck, self.network.sam_mask_decoder
        fine, middle, third, last = self.trunk(images)
        of_last, of_third, of_middle, of_fine = (layer.conv for layer in neck.convs)
        high_res = (
            self._narrowed(fine, of_fine, decoder.conv_s0),
            self._narrowed(middle, of_middle, decoder.conv_s1),
        )
        above = F.interpolate(of_last(last.maps()).float(), scale_factor=2.0, mode=neck.fpn_interp_model)
        embedding = of_third(third.maps()) + above
        places = neck.position_encoding(embedding[:1]).to(embedding.dtype)
        return embedding, high_res, places.expand_as(embedding)

    def _narrowed(self, tokens: Tokens, wide: Any, narrow: Any) -> torch.Tensor:
        """What two convolutions of single pixels, one after the other, make of the map."""

        def product() -> torch.Tensor:
            """(out, in + 1): the weight, and in its last column the bias."""
            first = torch.cat([wide.weight.flatten(1), wide.bias[:, None]], 1).float()
            both = narrow.weight.flatten(1).float() @ first
            both[:, -1] += narrow.bias
            return both.to(wide.weight.dtype)

        weights = (wide.weight, wide.bias, narrow.weight, narrow.bias)
        both = self.derived(narrow, weights, product)
        return tokens._replace(values=F.linear(tokens.values, both[:, :-1], both[:, -1])).maps()
