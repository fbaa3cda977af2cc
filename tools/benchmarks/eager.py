# The network of a trial document as the PyTorch script that a user would write by hand: eager modules, channels last.
import torch
import torch.nn.functional as F


def same_padding(x, kernel, stride):
    extra = [max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[2:]]
    rows, columns = extra
    return columns // 2, columns - columns // 2, rows // 2, rows - rows // 2


def windowed(x, settings, kernel, stride, value):
    kernel, stride = settings.get("kernel", kernel), settings.get("stride", stride)
    if settings.get("padding", "valid") != "same":
        return x, kernel, stride, 0
    left, right, top, bottom = same_padding(x, kernel, stride)
    if left == right == top == bottom:
        return x, kernel, stride, left
    return F.pad(x, (left, right, top, bottom), value=value), kernel, stride, 0


def flip(x, settings):
    mirrored = torch.rand(len(x)) < 0.5
    return torch.where(mirrored.view(-1, 1, 1, 1), x.flip(3), x)


def translate(x, settings):
    height, width = x.shape[2:]
    rows, columns = round(settings.get("height", 0) * height), round(settings.get("width", 0) * width)
    around = F.pad(x, (columns, columns, rows, rows), "reflect")
    down, right = torch.randint(0, 2 * rows + 1, (len(x),)), torch.randint(0, 2 * columns + 1, (len(x),))
    out = torch.empty_like(x)
    for i in range(2 * rows + 1):
        for j in range(2 * columns + 1):
            chosen = ((down == i) & (right == j)).nonzero().flatten()
            if len(chosen):
                out[chosen] = around[chosen][:, :, i:i + height, j:j + width]
    return out


class Eager(torch.nn.Module):
    """One module a layer that has weights; the rest are function calls in the order of the document."""

    def __init__(self, network, half):
        super().__init__()
        self.layers, self.outputs, self.half = network["layers"], network["outputs"], half
        self.weights = torch.nn.ParameterDict()
        for layer in self.layers:
            for weight in layer.get("weights", []):
                trained = weight["role"] != "buffer"
                values = torch.randn(weight["shape"]) * 0.05 if len(weight["shape"]) > 1 else torch.ones(weight["shape"])
                if weight["name"] in ("bias", "mean", "running_mean"):
                    values.zero_()
                self.weights[f"{layer['id']}/{weight['name']}"] = torch.nn.Parameter(values, requires_grad=trained)
        self.to(memory_format=torch.channels_last)

    def lower(self, x):
        return x.bfloat16() if self.half and x is not None else x

    def run_layer(self, layer, values):
        op, settings = layer["op"], layer.get("set", {})
        x = values[layer["in"][0]]
        get = lambda name: self.weights[f"{layer['id']}/{name}"] if f"{layer['id']}/{name}" in self.weights else None
        if layer.get("when") == "training" and not self.training:
            return x
        if op == "normalize":
            shape = (1, -1, 1, 1) if x.dim() == 4 else (1, -1)
            return (x - get("mean").view(shape)) / get("std").view(shape)
        if op == "random_flip":
            return flip(x, settings)
        if op == "random_translate":
            return translate(x, settings)
        if op == "conv":
            x, _, stride, padding = windowed(x, settings, 3, 1, 0.0)
            return F.conv2d(self.lower(x), self.lower(get("weight")), self.lower(get("bias")), stride, padding,
                            groups=settings.get("groups", 1))
        if op == "dense":
            return F.linear(self.lower(x), self.lower(get("weight")), self.lower(get("bias")))
        if op == "batch_norm":
            return F.batch_norm(x, get("running_mean"), get("running_var"), get("weight"), get("bias"), self.training,
                                settings.get("momentum", 0.1), settings.get("epsilon", 1e-5))
        if op == "max_pool":
            x, kernel, stride, padding = windowed(x, settings, 2, 2, float("-inf"))
            return F.max_pool2d(x, kernel, stride, padding)
        if op == "avg_pool":
            x, kernel, stride, padding = windowed(x, settings, 2, 2, 0.0)
            return F.avg_pool2d(x, kernel, stride, padding, count_include_pad=False)
        if op == "dropout":
            return F.dropout(x, settings["rate"])
        if op == "drop_path":
            kept = torch.empty(len(x), *[1] * (x.dim() - 1), dtype=x.dtype).bernoulli_(1 - settings["rate"])
            return x * kept / (1 - settings["rate"])
        if op == "add":
            return sum((values[i] for i in layer["in"][1:]), x)
        if op == "concat":
            return torch.cat([values[i] for i in layer["in"]], 1)
        if op == "multiply":
            gate = values[layer["in"][1]]
            return x * (gate.view(*gate.shape, 1, 1) if x.dim() == 4 and gate.dim() == 2 else gate)
        if op == "resize":
            return F.interpolate(x, layer["shape"][1:], mode="bilinear")
        if op == "scale":
            return x * settings["factor"] + settings.get("offset", 0.0)
        if op == "flatten":
            return x.flatten(1)
        simple = {"relu": F.relu, "silu": F.silu, "gelu": F.gelu, "sigmoid": torch.sigmoid, "tanh": torch.tanh,
                  "global_avg_pool": lambda v: v.mean((2, 3)), "global_max_pool": lambda v: v.amax((2, 3))}
        if op in simple:
            return simple[op](x)
        raise SystemExit(f"the eager script has no operation '{op}'")

    def forward(self, inputs):
        values = {}
        for layer in self.layers:
            if layer["op"] == "input":
                values[layer["id"]] = inputs[layer["set"]["name"]]
            else:
                values[layer["id"]] = self.run_layer(layer, values)
        return [values[output["layer"]].float() for output in self.outputs]


def optimizer_of(model, settings):
    trained = [p for p in model.parameters() if p.requires_grad]
    rate = settings.get("learning_rate", 0.001)
    if settings["name"] == "sgd":
        return torch.optim.SGD(trained, rate, settings.get("momentum", 0.9), nesterov=settings.get("nesterov", False),
                               weight_decay=settings.get("weight_decay", 0.0), foreach=True)
    kind = torch.optim.Adam if settings["name"] == "adam" else torch.optim.AdamW
    return kind(trained, rate, weight_decay=settings.get("weight_decay", 0.0), foreach=True)


def loss_of(outputs, values, targets):
    total = 0.0
    for output, value in zip(outputs, values):
        target = targets[output["head"]]
        if output["loss"]["name"] == "cross_entropy":
            one = F.cross_entropy(value, target, label_smoothing=output["loss"].get("label_smoothing", 0.0))
        elif output["loss"]["name"] == "bins":
            grid = torch.linspace(-3, 3, value.shape[1], device=value.device)
            label = torch.softmax(-((grid - target.view(-1, 1)) / output["loss"]["spread"]) ** 2 / 2, 1)
            logs = F.log_softmax(value, 1)
            one = F.kl_div(logs, label, reduction="batchmean") + F.l1_loss(logs.exp() @ grid, target.flatten())
        else:
            one = F.mse_loss(value.flatten(), target)
        total = total + output["weight"] * one
    return total
