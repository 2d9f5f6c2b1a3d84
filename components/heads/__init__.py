"""What is predicted, declared once, as data; everything that depends on a head derives from it.

`declared` reads the configuration's section `heads` into objects of `base.Head`, which travel
between processes as JSON. Knows nothing of TFX, Beam or TensorFlow.

| kind | label field | target | output | loss |
|---|---|---|---|---|
| `regression` | a number | float32 `[batch, 1]`, standardised | linear | mean squared error |
| `classes` | a group 0..n-1 or an amount | one-hot float32 `[batch, n]` | softmax | cross-entropy |
| `binary` | one of two values | float32 `[batch, 1]` | sigmoid | cross-entropy |

Further kinds come from other packages; see `kinds`. So that those can import `base`, nothing is
imported here.
"""
