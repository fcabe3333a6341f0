# SPDX-License-Identifier: MIT
"""What was measured, as files: a TSV with notes in front, `# key: value`, which say how it came about."""

from dataclasses import dataclass, field


class BadData(Exception):
    """A file that is not what its reader expects."""


@dataclass
class Data:
    """Rows are dictionaries by column; what looks like a number is one."""

    columns: list
    rows: list
    notes: dict = field(default_factory=dict)

    def column(self, name):
        return [row[name] for row in self.rows]

    def where(self, **wanted):
        """The rows in which these columns have these values."""
        return [row for row in self.rows
                if all(row[name] == value for name, value in wanted.items())]

    def one(self, **wanted):
        """The only such row; another number of them is an error."""
        rows = self.where(**wanted)
        if len(rows) != 1:
            raise BadData(f"{len(rows)} rows with {wanted}")
        return rows[0]

    def require(self, *columns):
        missing = [name for name in columns if name not in self.columns]
        if missing:
            raise BadData(f"no column {', '.join(missing)} among {', '.join(self.columns)}")
        if not self.rows:
            raise BadData("no rows")
        return self


def _value(text):
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def parse(text):
    """A file's text as Data."""
    notes, columns, rows = {}, None, []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            key, separator, value = line[1:].strip().partition(": ")
            if not separator:
                key, value = "note", f"{notes.get('note', '')} {key}".strip()
            notes[key] = value
        elif columns is None:
            columns = line.split("\t")
            if len(set(columns)) != len(columns):
                raise BadData(f"line {number}: a column twice")
        elif line:
            values = line.split("\t")
            if len(values) != len(columns):
                raise BadData(f"line {number}: {len(values)} values for {len(columns)} columns")
            rows.append(dict(zip(columns, map(_value, values))))
    if columns is None:
        raise BadData("no columns")
    return Data(columns, rows, notes)


def read(path):
    """A file as Data; BadData names the file."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except BadData as error:
        raise BadData(f"{path.name}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(f"{path.name}: {error}") from None


def write(path, data):
    """Whole or not at all: a measurement that is interrupted leaves no half of a file."""
    lines = [f"# {key}: {value}" for key, value in data.notes.items()]
    lines.append("\t".join(data.columns))
    lines += ["\t".join(str(row[name]) for name in data.columns) for row in data.rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.replace(path)
