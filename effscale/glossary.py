"""The words of the answers: what each means, in what unit, and its key in JSON.

Headings of tables, the glossary of pages, help of options, descriptions of the schema
and the documents' pages of words and of JSON are made of these.
"""

from __future__ import annotations

from typing import NamedTuple


class Term(NamedTuple):
    """A word, what it means, and what it counts in."""

    word: str
    means: str
    unit: str = ""


#: By the key that rows have in JSON, or by a name of its own.
TERMS = {
    "macs": Term(
        "MACs",
        "Multiply-accumulates of convolutions, linear layers and products of feature "
        "maps for one image; no bias, norm, activation or pooling. What papers often "
        "call FLOPs.",
        "count",
    ),
    "flops": Term("FLOPs", "2 × MACs; shown with --units flops.", "count"),
    "params": Term(
        "params",
        "Trainable parameters, scale and shift of norms included.",
        "count",
    ),
    "activations": Term(
        "activ.",
        "Activations: output elements of convolutions, linear layers and products.",
        "count",
    ),
    "products": Term(
        "products", "MACs of products of two feature maps, as in attention.", "count"
    ),
    "resolution": Term("input", "Height and width of the image.", "pixels"),
    "phi": Term("φ", "Compound coefficient: the target is 2^φ times the baseline."),
    "coefficients": Term(
        "α β γ", "Growth of depth, width and resolution for one φ.", "factor"
    ),
    "depth_multiplier": Term("d", "Factor on the repeats of stages.", "factor"),
    "width_multiplier": Term("w", "Factor on channels.", "factor"),
    "resolution_multiplier": Term("r", "Factor on the sides of the image.", "factor"),
    "macs_ratio": Term(
        "MACs ratio",
        "MACs over those of the baseline, or of what stands there.",
        "factor",
    ),
    "target_ratio": Term(
        "target",
        "What MACs are to be, as a multiple of the baseline's: 2^φ, or what was asked.",
        "factor",
    ),
    "deviation": Term(
        "deviation",
        "How far a figure is from its target: MACs / target − 1, more if positive.",
        "%, a fraction in JSON",
    ),
    "share": Term("share", "Part of the network's MACs.", "%, a fraction in JSON"),
    "grid_points": Term(
        "grid points", "Points of a grid that round to this one network.", "count"
    ),
    "rms_error": Term(
        "rms error",
        "Root mean square, over all φ, of log(MACs ratio / target).",
        "%, a fraction in JSON",
    ),
    "pareto": Term(
        "◆", "Pareto front: no other has fewer params and activations both."
    ),
    "own_coefficients": Term("★", "The spec's own coefficients."),
    "budget": Term(
        "budget", "Limits that a spec sets to its own network, in `budget:`."
    ),
    "memory": Term(
        "memory",
        "Weights, and the largest total of feature maps alive at one time, in "
        "inference.",
        "bytes",
    ),
    "training_memory": Term(
        "training memory",
        "Weights, and the largest total of feature maps and gradients alive at one "
        "time, in training; the state of an optimizer is not included.",
        "bytes",
    ),
    "latency": Term("latency", "Time of one run on the device that is named.", "s"),
    "intensity": Term(
        "MACs/B",
        "Arithmetic intensity: MACs for each byte read or written. Below the machine's "
        "balance a part is memory-bound.",
        "MACs per byte",
    ),
    "stage": Term("stage", "Blocks of one width; the first has the stride."),
    "block": Term("block", "Layers around one skip connection."),
    "level": Term("P3 … P7", "Feature map of 1/2^n of the image's sides."),
}


#: What other keys of JSON mean. One that is a name, as `fvcore` in `conventions`, is
#: explained by what holds it.
KEYS = {
    "accuracies": "Accuracy of each seed.",
    "accuracy": "Share of the validation images that the network tells right.",
    "accuracy_error": "Standard error of the accuracy.",
    "accuracy_std": "Standard deviation of the accuracy over seeds.",
    "after": "The part in the second network, as `profile` has it; null if it is gone.",
    "agrees": "Whether the measured figures are the counted ones; null if unmeasured.",
    "all": "Number of training runs in all.",
    "alone": "What one engine alone says, where the other does not know all operators.",
    "alpha": "Growth of depth for one φ.",
    "answer": "The engine whose figures are the answer; null if there is none.",
    "ap": "Published average precision on COCO, in per cent.",
    "apart": "MACs of calls that make weights of weights, by operator; they are in no "
    "total.",
    "attempts": "How often a training run was tried.",
    "augment": "Augmentation of the training images.",
    "average": "Decay of the averaged weights.",
    "backbone": "The classifier that a detector is built on; of levels, its MACs.",
    "bad": "An example that the rule finds.",
    "baseline": "The network that was scaled.",
    "baselines": "Networks that were searched side by side.",
    "batch": "Batch size.",
    "before": "The part in the first network, as `profile` has it; null if it is new.",
    "beta": "Growth of width for one φ.",
    "binds": "Whether a better network would be found without this limit.",
    "blocks": "Names of the blocks that the file defines.",
    "box_head": "MACs of the head that predicts boxes.",
    "by": "How tensors were found, or what read the file and checked it.",
    "by_class": "Training and validation images of each class, by its name.",
    "bytes": "Size of the file.",
    "bytes_moved": "Bytes that all operators read and write, none of them fused.",
    "call": "Seconds of a call.",
    "calls": "How often the operator is called.",
    "candidates": "Distinct networks that are feasible, best first.",
    "cells": "Cells of a paper's table, by figure: printed, and counted.",
    "chance": "Accuracy of always answering the most frequent class.",
    "change": "Whether a part is same, changed, added or removed; of a hint, MACs of "
    "that network over the variant's, − 1.",
    "changes": "What is other in a part, in words.",
    "channels": "Channels that come out; of a detector's grid, the neck's at each φ.",
    "channels_before": "Channels of the part in the baseline.",
    "channels_last": "Whether feature maps are stored with channels last (NHWC).",
    "checked": "What read the file again, and how far its output was off.",
    "checkpoint": "File of the state of training.",
    "class_head": "MACs of the head that predicts classes.",
    "class_names": "Names of the classes; null if they are not known.",
    "classes": "Number of classes.",
    "classifier": "Tensors that were initialised anew, for other classes.",
    "code": "Code of a rule.",
    "column": "Column at which the finding begins, from 1; 0 of a whole file.",
    "command": "The command that answered.",
    "compiled": "Whether torch.compile was used.",
    "computed": "Picojoules of the MACs.",
    "conventions": "What each tool prints of the network, by its name.",
    "counted": "The figure that effscale counts.",
    "created": "When the study was made.",
    "crop": "Smallest share of an image's area that is cropped to.",
    "cuda_graph": "Whether a CUDA graph was captured and replayed.",
    "data": "Data that a network was trained on.",
    "departures": "How a published detector differs from the scaling rule.",
    "device": "Device that it ran on.",
    "devices": "Number of devices that shared each batch.",
    "difference": "Largest difference of outputs, over the largest output.",
    "digest": "Digest of the list of images, which tells data sets apart.",
    "distinct": "Distinct networks: points that round to one are one.",
    "dimension": "What grows: depth, width, resolution, or a part of a detector.",
    "done": "Number of training runs that have ended well.",
    "dtype": "Type in which weights and feature maps are stored.",
    "effscale": "Version of effscale.",
    "element": "Seconds of an element that is read or written.",
    "elements": "Elements or MACs that a term counts, before `times`.",
    "end_column": "Column just behind the finding's last character.",
    "end_line": "Line on which the finding ends.",
    "ends": "When the study will end, estimated; null if that is unknown.",
    "energy": "Picojoules of one image, roughly: MACs, and bytes moved.",
    "engine": "What measured: fvcore or torch.",
    "enumerated": "Points of the grid.",
    "epoch": "Number of the epoch, from 1.",
    "epochs": "Number of epochs.",
    "eps": "The ε of norms, as the spec has it.",
    "equal": "Whether the printed figure is the counted one, rounded or cut.",
    "erase": "Probability that a part of an image is made black.",
    "error": "Error of predicted latency; of an engine, why it has no figures.",
    "errors": "Number of findings that are errors.",
    "evaluate": "The command that trains each candidate.",
    "evaluation_seconds": "How many of the `seconds` went into evaluation.",
    "explain": "Factors whose product is macs_ratio / target_ratio.",
    "unexplained": "Why there are no factors in `explain`.",
    "factor": "Name of one cause of the deviation.",
    "failed": "Training runs that failed as often as they may.",
    "families": "Error of predicted latency on each family, predicted by the others.",
    "family": "Name of the family.",
    "faults": "Why nothing is proved, or why engines do not agree, in words.",
    "feasible": "Points within the tolerance of the target and within all limits.",
    "figure": "What a limit limits: macs, params, activations, memory, …",
    "figures": "Figures of the original and of the spec, counted and measured.",
    "file": "File of the spec.",
    "files": "Number of files that were read.",
    "findings": "What was found, each with its place, code and hint.",
    "fix": "How the program can fix it, or null.",
    "fixable": "Findings that can be fixed, by the option that does.",
    "fixed": "Findings that were fixed.",
    "format": "Format of the file.",
    "found": "The figure of the network that a limit was held against.",
    "free": "Calls that are no convolution or matrix product, by operator.",
    "freeze": "Parts whose weights stay as they are.",
    "from": "First value of a step of the staircase.",
    "front": "Whether more or less is better, for each figure of a study's front.",
    "gamma": "Growth of resolution for one φ.",
    "good": "The example, right.",
    "group": "Backbone, neck, class head or box head.",
    "group_width": "Channels of a group of the convolution.",
    "groups": "Backbone, neck and heads, each as a whole.",
    "halving": "One in this many candidates on a rung goes on; null without rungs.",
    "head_depth_multiplier": "Factor on the repeats of a detector's heads.",
    "head_layers": "Layers of a detector's heads.",
    "head_repeats": "Repeats of a detector's heads.",
    "help": "A hint of what to do; empty without one.",
    "hint": "A network to consider instead, or null.",
    "history": "The epochs, a row for each.",
    "image_width_multiplier": "Factor on the image's width, where height has another.",
    "images_per_second": "Images per second.",
    "importance": "Share of the accuracy's variance that goes with each coefficient.",
    "input": "Height and width of the feature map that comes in.",
    "input_before": "Value of `input` in the baseline.",
    "inputs": "Shapes of what goes in, by name; null is any number.",
    "jobs": "Training runs at the same time.",
    "jump": "Whether MACs rise by 5 % or more over the row before.",
    "kernel": "Side of the kernel, or its height and width.",
    "kind": "Of a hint: `resolution`, or `published`.",
    "kinds": "Seconds of a MAC, an element, a parameter and a call, by operator.",
    "layer": "Path of the layer in the built module.",
    "layers": "A row for each layer; of a paper's table, layers of the neck.",
    "left": "Spec files that were not read, tensors of a file that are not used, or "
    "training runs to come.",
    "left_out": "Networks that cannot be, and why: each, or one for each reason.",
    "level": "Level of a feature map: 1 / 2^level of the image's sides.",
    "levels": "A row for each level; of a detector, its lowest and highest level.",
    "limit": "The limit as it was given.",
    "limits": "How the answer stands to each limit.",
    "line": "Line on which the finding begins, from 1; 0 of a whole file.",
    "log": "File of what a training run printed, or null.",
    "loss": "Mean loss on the training images, in the last epoch or in that epoch.",
    "lr": "Learning rate at its peak.",
    "lr_backbone": "Learning rate of all but the classifier, as a share of `lr`.",
    "mac": "Seconds of a MAC.",
    "machine": "The machine on which times were measured.",
    "machine_balance": "MACs that the machine computes while it moves one byte.",
    "macs_factor": "MACs of the published detector over those without this departure.",
    "macs_per_byte": TERMS["intensity"].means,
    "macs_per_second": "MACs per second.",
    "macs_share": "Part of the network's MACs that the part has.",
    "mapping": "Name of the original's tensor, by the network's name of it.",
    "mean": "Mean that is subtracted from pixels from 0 to 1, for each channel.",
    "measured": "Figures measured on the built network, or null; of a sum, its engine.",
    "measured_by": "Measured figures, by what was measured and its engine.",
    "measured_latency": "Seconds of one run, measured where `latency` is predicted.",
    "median": "Median of the errors.",
    "memory_bound": "Whether MACs per byte are below the machine's balance.",
    "message": "What is wrong: where in the spec, what is expected, what was found.",
    "miou": "Published mean intersection over union, in per cent.",
    "mirror": "Whether images are mirrored; null is the default.",
    "misfits": "What does not fit, in words.",
    "missed": "Why nothing was found of a baseline; null if something was.",
    "mixup": "The α of Beta(α, α), from which shares of mixed images are drawn; "
    "0 mixes none.",
    "model": "The network's name in the paper.",
    "module": "Path of the module; (own) of what none within it computes or holds.",
    "modules": "A row for each module.",
    "momentum": "Momentum of the optimizer.",
    "moved": "Picojoules of the bytes moved.",
    "multiplies": "Whether the operator may have MACs that no engine counts.",
    "name": "Name of the network, factor, term or rule.",
    "neck": "MACs of the neck.",
    "neck_channels": "Channels of a detector's neck.",
    "neck_depth_multiplier": "Factor on the repeats of a detector's neck.",
    "neck_growth": "Growth of the neck's channels for one φ.",
    "neck_repeats": "Repeats of a detector's neck.",
    "neck_width_multiplier": "Factor on the channels of a detector's neck.",
    "network": "Name of the network.",
    "networks": "Number of networks.",
    "normalisation": "Mean and standard deviation that normalize pixels; null if "
    "unknown.",
    "normalize": "The option that chose the normalisation.",
    "note": "Why a published figure is not the counted one.",
    "notes": "Number of findings that are notes; of data, what is changed in reading.",
    "objective": "Expression that is maximised.",
    "once": "Whether of equal blocks one was run, its figures taken as many times.",
    "operator": "What the part or layer is: MBConv6 3×3, Conv 1×1, …",
    "operators": "A row for each kind of operator, most expensive first.",
    "optimizer": "Optimizer.",
    "origin": "What kind of file it is.",
    "other_changes": "What else is other in the file, beside the parts.",
    "ours": "Name of the tensor in the network.",
    "output": "Height and width of the feature map that comes out.",
    "output_bytes": "Bytes of the outputs of all operators.",
    "output_means": "What each output is, by its name.",
    "outputs": "Shapes of what comes out, by name; null is any number.",
    "outputs_apart": "Largest difference of outputs in double precision, over the "
    "largest output; null if they were not compared.",
    "over_budget": "Limits of its budget that the file breaks, in words.",
    "padding": "Padding of convolutions, as the spec has it.",
    "pairs": "Tensors of the file, each beside the network's own.",
    "param": "Seconds of a parameter that is read.",
    "params_in_all": "Params with the classifier for the classes of `data`.",
    "params_ratio": "Params over those of `relative_to`.",
    "part": "Stem, a stage, neck or a head; of a paper's table, what it counts.",
    "parts": "A row for each part.",
    "path": "File that the finding is in.",
    "peak_bytes": "Largest total of feature maps alive at one time, in inference.",
    "phi_range": "First and last φ that give this network.",
    "precision": "Precision of training: float32, or mixed with bfloat16.",
    "predicted": "Seconds that the calibration predicts, by part.",
    "printed": "The figure as the paper prints it.",
    "product": "Nominal growth of MACs for one φ: α·β²·γ².",
    "product_outputs": "Activations of products of feature maps.",
    "proved": "Whether the spec is proved to be the same network.",
    "published": "Figures as the source printed them.",
    "published_differs": "Published figures that are not the counted ones.",
    "python": "Version of Python.",
    "quartiles": "First and third quartile of the seconds.",
    "rank": "Rank by score, from 1.",
    "reads": "Parts that this one reads, if that is not the one before it.",
    "reason": "What the factor is, or why a cell differs.",
    "relative_iqr": "Interquartile range of the seconds, over their median.",
    "relative_to": "The network that macs_ratio and params_ratio are to.",
    "repeats": "Blocks in a row.",
    "repeats_before": "Value of `repeats` in the baseline.",
    "restated": "The cost as another tool prints it: of a row, or with its terms.",
    "rise": "MACs over those of the row before, − 1.",
    "role": "Why the network is shown: nearest, below, above, most, next, nearest "
    "compound, front, or misses of a limit.",
    "rounding_overhead": "MACs added by rounding odd sides up, over those without.",
    "rows": "The networks, a row for each.",
    "rule": "What the scaling rule gives.",
    "rule_reason": "Why the printed value is not what the scaling rule gives.",
    "rules": "The rules that `check` knows.",
    "rungs": "Epochs after which the best candidates go on.",
    "running": "Whether the study is running.",
    "runtime": "What ran it: torch, or onnxruntime after torch has exported it.",
    "runs": "Number of runs that were timed.",
    "safe": "Findings that --fix fixes.",
    "said": "What became of the file, in words.",
    "same": "Whether the figures are equal.",
    "schema": "Version of these keys: 1.",
    "score": "Published top-1, AP or mIoU, in per cent; of a study, the objective.",
    "score_error": "Standard error of the score over seeds.",
    "seconds": "Seconds: the median of one run, or what training took.",
    "seconds_left": "Seconds that the training runs to come take, estimated.",
    "seed": "Random seed.",
    "seeds": "Number of seeds.",
    "seeds_first": "Seeds that each candidate gets at first.",
    "setting": "Settings of the device that was calibrated.",
    "severity": "How grave it is: error, warning or note.",
    "shape": "Shape of the tensor.",
    "since": "Revision that the files are compared with.",
    "size": "Height and width of the level's feature map.",
    "skipped": "Calls that may have MACs and were not counted, by operator.",
    "smoothing": "Label smoothing.",
    "source": "Publication, with its table.",
    "spec": "Name of the spec; of several, the first.",
    "specs": "The built-in networks.",
    "split": "How images were divided into training and validation.",
    "stages": "The network part by part, each with what it was in the baseline.",
    "statistics_images": "Training images that batch norm's statistics were estimated "
    "from.",
    "std": "Standard deviation that pixels are divided by after that, for each "
    "channel.",
    "steps": "Steps of the optimizer.",
    "strategy": "How the network was scaled; null if it was not.",
    "stride": "Stride of the part's first block.",
    "study": "Folder of the study.",
    "summary": "How many findings there are.",
    "sweep": "The dimension that grows along the rows.",
    "table": "The paper's table.",
    "target": "The cost that was asked for, in units of its figure; null for limits.",
    "taught": "MACs that effscale's formulas count for fvcore, by operator.",
    "terms": "Terms of the tool's figure; the sum of times × elements is its total.",
    "theirs": "Name of the tensor in the file.",
    "threads": "Threads of the CPU.",
    "tied": "Whether the candidate is not told apart from the best; null if unknown.",
    "time_ratio": "Time over that of the network that ratios are relative to.",
    "time_ratio_quartiles": "First and third quartile of `time_ratio` over rounds.",
    "timed": "Number of calls that were timed.",
    "times": "How often the tool counts each of the elements.",
    "title": "Title of the table.",
    "to": "Last value of a step of the staircase.",
    "tool": "The tool whose figure it is.",
    "top1": "Published top-1 accuracy, in per cent.",
    "top5": "Published top-5 accuracy, in per cent.",
    "total": "The tool's figure.",
    "totals": "Figures of the whole network.",
    "train": "Number of training images.",
    "train_accuracy": "Accuracy on the training images, in the last epoch or in that "
    "epoch.",
    "trainable": "Parameters that gradients change.",
    "training_peak_bytes": "Largest total of feature maps and gradients alive at one "
    "time, in training; weights and the state of an optimizer are not included.",
    "training_runs": "How many training runs there are, and how they stand.",
    "type": "Class of the module.",
    "unmeasured": "Limits of latency that no run has judged: --verify measures them.",
    "unread": "Parameters that no call reads in evaluation, by name.",
    "unsafe": "Findings that --fix --unsafe-fixes fixes as well.",
    "until": "Epoch after which training stopped.",
    "unused": "MACs of calls whose results no output is made of; they are counted.",
    "update": "Findings that --update fixes.",
    "validation": "Number of validation images.",
    "validation_loss": "Mean loss on validation images.",
    "value": "The factor, 1 where it costs nothing; of a limit, its figure.",
    "variant": "Name of a variant of a file.",
    "variants": "The file's variants, before and after.",
    "version": "The tool's version.",
    "versions": "Versions of what took part, by name.",
    "warmup": "Share of the steps in which the learning rate rises.",
    "warnings": "Number of findings that are warnings; of a row, what to know of it.",
    "was": "Name of the file before it was renamed.",
    "weight_bytes": "Bytes of the weights.",
    "weight_decay": "Weight decay.",
    "weights": "Where the weights are from, or the file that names them.",
    "what": "What the rule finds.",
    "whole": "Whether every tensor of the network has its own in the file.",
    "why": "Why that matters, or why there is none.",
    "within_tenth": "Share of networks whose latency is predicted within 10 %.",
}
#: What these hold has names for keys: of tools, operators, tensors, parts, classes.
HOLD_NAMES = frozenset(
    (
        *("apart", "by_class", "calls", "conventions", "free", "front", "fvcore_calls"),
        *(
            "importance",
            "inputs",
            "kinds",
            "mapping",
            "measured_by",
            "output_means",
            "outputs",
            "predicted",
        ),
        *("skipped", "taught", "torch_calls", "unread", "versions"),
    )
)
#: What is told of any key that ends so.
ENDINGS = {
    "_calls": "Calls that this engine saw, by its names of operators.",
    "_counts": "What this engine counts of an operator that has no MACs.",
    "_before": "The figure in the first network.",
    "_after": "The figure in the second network.",
    "_delta": "The figure of the second network less that of the first.",
}


def meaning(key: str) -> str:
    """What a key of JSON means; empty where no word says it."""
    if key in KEYS:
        return KEYS[key]
    if key in TERMS and key not in UNSAID:
        return TERMS[key].means
    return next((said for end, said in ENDINGS.items() if key.endswith(end)), "")


def word(key: str) -> str:
    """The heading of what stands under a key."""
    return TERMS[key].word


def page() -> str:
    """The glossary as a table of Markdown."""
    rows = (
        f"| {term.word} | {term.means} | {term.unit} | {_code(key)} |\n"
        for key, term in TERMS.items()
    )
    return "| word | means | unit | key |\n|---|---|---|---|\n" + "".join(rows)


def json_page() -> str:
    """The keys of JSON as a table of Markdown, in order."""
    known = sorted({*KEYS, *(TERMS.keys() - UNSAID)})
    rows = "".join(f"| `{key}` | {meaning(key)} |\n" for key in known)
    rows += "".join(f"| `…{end}` | {said} |\n" for end, said in ENDINGS.items())
    return "| key | means |\n|---|---|\n" + rows


#: Terms that no row of JSON has under that key.
UNSAID = {"flops", "stage", "block", "level", "budget"}


def _code(key: str) -> str:
    return "" if key in UNSAID else f"`{key}`"
