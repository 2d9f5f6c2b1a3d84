"""Made-up posts and labels whose best reachable scores are known before anything is trained.

Enters: a folder, a number of authors, a seed. Leaves: posts, labels, reachable scores and a
configuration that names them. In the order data flows: `people` (who the authors are), `lexicon`,
`phrases` and `texts` (how they write), `records` (what is written of them, faults included),
`files` (the folder).
"""

from pipeline.sample.files import write_sample
from pipeline.sample.records import SampleSummary

__all__ = ["SampleSummary", "write_sample"]
