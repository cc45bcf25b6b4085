"""data/field: flowers measured on two days, six files each, for step 9: something for three workers to share."""


def test_the_files_of_both_days_hold_each_flower_of_the_training_set_once(data):
    flowers = [line.rsplit(",", 1)[0] for line in (data / "iris.csv").read_text().splitlines() if line]
    for index, name in enumerate(f"{day}/{day}-{number}" for day in ("monday", "tuesday") for number in range(1, 7)):
        assert (data / "field" / f"{name}.csv").read_text().splitlines() == flowers[index::12]
