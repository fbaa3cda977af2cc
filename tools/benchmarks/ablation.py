"""What each ingredient of a fixed recipe brings: whole runs without it, or with another, beside the recipe's own."""
import statistics
import sys

from recipe import runs
from shipped import parser_of

# Of cifar10_91 and pipelines like it. Where an ingredient changes how long an epoch takes, the epochs make up for it. Without Muon
# filters follow SGD as in airbench94 (arXiv:2404.00498), its rate scaled to batches of 500; everything else keeps its rate.
CHANGES = {
    "without whitening": ["trunk.whitening=false", "train.epochs=9.3"],
    "without identities in the filters": ["trunk.init=kaiming_uniform"],
    "sgd instead of muon": ["train.optimizer={sgd: {learning_rate: 0.73, momentum: 0.85, nesterov: true, weight_decay: 0.00133}}",
                            "train.groups.biases={role: [norm_bias], scale: {learning_rate: 36}}",
                            "train.groups.logits.scale={learning_rate: 3.4, weight_decay: 1}"],
    "without growing pictures": ["grown.start=1", "train.epochs=8"],
    "no samples skipped": ["train.skip_easy=0", "train.epochs=7"],
    "flips not alternating": ["views.flip=horizontal"],
    "without flips": ["views.flip=none"],
    "without translation": ["views.translate=0"],
    "without label smoothing": ["label.loss.cross_entropy.label_smoothing=0"],
    "without test views": ["train.test_views=none"],
    "gelu instead of silu": ["trunk.activation=gelu", "train.epochs=10.2"],
    "with cutout of 8 pixels": ["views.cutout=0.25"],
    "with lookahead": ["train.average=lookahead"],
    "slower statistics of batch norm": ["trunk.norm_momentum=0.1"],
}


def main():
    parser = parser_of("ablation", __doc__)
    parser.add_argument("--seeds", type=int, default=1, help="runs of each (1)")
    parser.add_argument("--only", nargs="*", default=list(CHANGES), choices=list(CHANGES), metavar="CHANGE", help="of: " + "; ".join(CHANGES))
    arguments = parser.parse_args()
    print(f"{arguments.pipeline}, n = {arguments.seeds}\n{'':36}{'seconds':>9}{'accuracy':>10}{'deviation':>11}{'gain':>9}")
    own = None
    for name, changes in {"as it is": [], **{name: CHANGES[name] for name in arguments.only}}.items():
        rows = list(runs(arguments, *changes))
        accuracies = [scores["test"]["test_accuracy"] for _, scores in rows]
        mean = statistics.mean(accuracies)
        own = own or mean
        spread = f"{statistics.stdev(accuracies):.4f}" if len(accuracies) > 1 else "-"
        print(f"{name:36}{statistics.mean(seconds for seconds, _ in rows):9.1f}{mean:10.4f}{spread:>11}{mean - own:+9.4f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
