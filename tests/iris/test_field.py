"""data/field: the flowers of six plots, for step 9, so that three workers have something to share."""


def test_the_plots_hold_each_flower_of_the_training_set_once(data):
    plots = [(data / "field" / f"plot-{number}.csv").read_text().splitlines() for number in range(1, 7)]
    flowers = [line.rsplit(",", 1)[0] for line in (data / "iris.csv").read_text().splitlines() if line]
    assert [line for rows in zip(*plots, strict=False) for line in rows] + plots[0][24:] == flowers
