"""Handler of the digits model: the image of a light digit on dark ground in, ten names with probabilities out."""

from torchvision import transforms
from torchvision.transforms import InterpolationMode

from ts.torch_handler.image_classifier import ImageClassifier


class DigitsHandler(ImageClassifier):
    """ImageClassifier for one grey channel of 8 x 8; everything else is the parent's."""

    topk = 10

    # The box filter averages whole areas, as the makers of the data did with 4 x 4 blocks; at 8 x 8 it changes nothing.
    image_processing = transforms.Compose(
        [
            transforms.Grayscale(),
            transforms.Resize((8, 8), interpolation=InterpolationMode.BOX),
            transforms.ToTensor(),
        ]
    )
