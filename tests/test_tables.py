"""Tables of numbers: CSV files, their splits, and what is said of those that are none."""

import pathlib

import numpy as np
import pytest

from tfdgm import data
from tfdgm.data import tables

ROWS = np.random.default_rng(0).normal(size=(25, 3)).round(3)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(lines, name='table.csv'):
    pathlib.Path(name).write_text('\n'.join(lines) + '\n')
    return name


def lines(rows=ROWS):
    return [','.join(map(str, row)) for row in rows]


def test_a_file_without_names_is_read_whole():
    np.testing.assert_allclose(tables.read(write(lines())), ROWS.astype('float32'))


def test_columns_are_chosen_by_name_and_by_number():
    path = write(['a,b ,"c, d"', *lines()])
    np.testing.assert_allclose(tables.read(path, ['c, d', 'b', 0]),
                               ROWS[:, [2, 1, 0]].astype('float32'))


def test_empty_lines_and_a_byte_order_mark_are_passed_over():
    path = write(['\ufeffa,b,c', '', *lines(), ''])
    np.testing.assert_allclose(tables.read(path, ['a']), ROWS[:, :1].astype('float32'))


def test_the_splits_part_the_rows():
    write(lines())
    splits = [data.as_arrays(data.load('table.csv', split)) for split in data.SPLITS]
    assert [split.shape for split in splits] == [(21, 3), (2, 3), (2, 3)]
    together = np.concatenate(splits)
    np.testing.assert_array_equal(together[np.argsort(together[:, 0])],
                                  ROWS[np.argsort(ROWS[:, 0])].astype('float32'))


@pytest.mark.parametrize('separator', [';', '\t'])
def test_semicolons_and_tabs_separate_too(separator):
    path = write([separator.join('abc'), *(line.replace(',', separator) for line in lines())])
    np.testing.assert_allclose(tables.read(path, ['c']), ROWS[:, 2:].astype('float32'))


@pytest.mark.parametrize('name', ['table.csv', 'table.CSV', 'TABLE.Csv', 'table.tsv', 'table.TSV'])
def test_a_table_is_known_by_its_ending_in_upper_and_lower_case(name):
    separator = '\t' if name.lower().endswith('tsv') else ','
    write([separator.join(['a', 'b', 'c, d']).replace('c, d', 'c'),
           *(line.replace(',', separator) for line in lines())], name)
    for path in name, pathlib.Path(name):
        assert data.load(path).element_spec.shape == (3,)
        assert data.columns_of(path) == ['a', 'b', 'c']
    np.testing.assert_allclose(tables.read(name), ROWS.astype('float32'))


def test_only_tabs_separate_where_the_name_says_so():
    path = write(['a;x\t"b, c"\td', *(line.replace(',', '\t') for line in lines())], 'table.tsv')
    np.testing.assert_allclose(tables.read(path, ['a;x', 'b, c']), ROWS[:, :2].astype('float32'))


@pytest.mark.parametrize('header, names', [
    ('RI,Na,Al', ['RI', 'Na', 'Al']), ('Na,Na2,K', ['Na', 'Na2', 'K']), ('a,NA,null', ['a', 'NA', 'null']),
    ('none,None,a', ['none', 'None', 'a']), ('a,,c', ['a', 'Unnamed: 1', 'c']), ('a,b,', ['a', 'b', 'Unnamed: 2']),
    ('a , ?,c', ['a', '?', 'c']), ('"a\nb",c,d', ['a\nb', 'c', 'd']), ('"a\rb;c",d,e', ['a\rb;c', 'd', 'e'])])
def test_names_of_all_sorts(header, names):
    path = write([header, *lines()])
    assert data.columns_of(path) == names
    np.testing.assert_allclose(tables.read(path), ROWS.astype('float32'))
    np.testing.assert_allclose(tables.read(path, [names[1]])[:, 0], ROWS[:, 1].astype('float32'))


@pytest.mark.parametrize('header', [',cm,kg', '"","cm","kg"', ' ,0,1', ',Na,NA2'])
@pytest.mark.parametrize('index', ['{}', 'row {}', '2024-01-{:02d}'])
def test_the_index_that_pandas_writes_is_left_out_unless_it_is_asked_for(header, index):
    numbers = ROWS[:, :2]
    path = write([header, *(f'{index.format(row)},{a},{b}' for row, (a, b) in enumerate(numbers))])
    np.testing.assert_allclose(tables.read(path), numbers.astype('float32'))
    names = [name.strip('" ') for name in header.split(',')][1:]
    assert data.columns_of(path) == names
    np.testing.assert_allclose(tables.read(path, names[::-1]), numbers[:, ::-1].astype('float32'))
    for column in 'Unnamed: 0', 0:
        if index == '{}':
            np.testing.assert_array_equal(tables.read(path, [column, names[0]])[:, 0], np.arange(25))
        else:
            with pytest.raises(ValueError, match=r'column Unnamed: 0 in line 2 holds .* is no finite number'):
                tables.read(path, [column])


@pytest.mark.parametrize('first, message', [
    ('?,1,2', "column 0 in line 1 holds '\\?'"), ('NA,?,nan', "column 0 in line 1 holds 'NA'"),
    (',,', 'column 0 in line 1 is empty'), ('1e39,2,3', "column 0 in line 1 holds '1e39'"),
    ('inf,x,y', "column 0 in line 1 holds 'inf'"), ('1_0,x,y', "column 0 in line 1 holds '1_0'")])
def test_a_first_row_of_data_is_never_taken_for_names(first, message):
    with pytest.raises(ValueError, match=message):
        tables.read(write([first, *lines()]))


def test_a_word_where_all_rows_have_words_is_no_name():
    path = write(['cat,?', *(f'dog,{value}' for value in ROWS[:, 0])])
    with pytest.raises(ValueError, match=r"column 1 in line 1 holds '\?'"):
        tables.read(path, [1])


@pytest.mark.parametrize('rows, columns, message', [
    (['a,a,b', *lines()], ['a'], "table.csv has 2 columns called 'a'; choose by number, from 0"),
    (['a,b,c', *lines()], 'ab', "columns of table.csv should be a list of names or numbers, got 'ab'"),
    (['a,b,c', *lines()], 3, 'columns of table.csv should be a list of names or numbers, got 3'),
    (['?,NA,nan', *lines()], None, "column 0 in line 1 holds '\\?', which is no finite number"),
    ([*lines(), '1,1e39,2'], None, "holds '1e39', which is no finite number"),
    ([f'{1_700_000_000 + index}' for index in range(20)], None, 'holds 1.7e.09 in every row, to the precision of'),
    (lines()[:9], None, 'table.csv has 9 rows of numbers; to learn a density takes at least 10'),
    ([], None, 'table.csv has no rows of numbers'),
    (['a,b'], None, 'table.csv has no rows of numbers'),
    (['a,b,c', *lines()], ['d'], "table.csv has no column 'd'. Its columns are a, b, c."),
    (lines(), [3], 'table.csv has no column 3. Its columns are 0, 1, 2.'),
    (lines(), [0, 0], r'columns of table.csv should be one or more different ones, got \[0, 0\]'),
    (lines(), [], 'columns of table.csv should be one or more different ones'),
    ([*lines(), '1,high,2'], None, "column 1 in line 26 holds 'high', which is no finite number"),
    ([*lines(), '1,nan,2'], None, "holds 'nan', which is no finite number"),
    ([*lines(), '1, ,2'], None, 'column 1 in line 26 is empty. Fill in what is missing, remove'),
    ([*lines(), '1,2'], None, 'line 26 has 2 fields, and the first line has 3'),
    (lines(np.column_stack([ROWS, np.full(25, 7)])), None, 'The column 3 of those chosen from table.csv holds 7 in'),
    (['1,0.5,g'] * 12, None, "column 2 in line 1 holds 'g'"),
])
def test_what_is_no_table_of_numbers_is_refused(rows, columns, message):
    with pytest.raises(ValueError, match=message):
        data.load(write(rows), columns=columns)


def test_all_lines_that_cannot_be_used_are_named_at_once():
    with pytest.raises(ValueError, match=(
            r"^table.csv has lines that cannot be used: column 1 in line 26 holds 'high', which is no finite number; "
            r'column 0 in line 27 is empty; column 2 in line 27 is empty; line 28 has 2 fields, and the first line has '
            r'3\. Fill in')):
        data.load(write([*lines(), '1,high,2', ',1,', '1,2']))
    with pytest.raises(ValueError, match=r'; and [0-9]+ more\. Fill in'):
        data.load(write([*lines(), *['1,2'] * 50]))


def test_text_in_a_column_that_is_left_out_does_no_harm():
    path = write(['name,size', *(f'x{index},{index}' for index in range(12))])
    assert tables.read(path, ['size']).shape == (12, 1)


def test_a_file_that_is_not_there_or_is_no_text():
    with pytest.raises(FileNotFoundError, match=r'There is no file none\.csv'):
        data.load('none.csv')
    pathlib.Path('bytes.csv').write_bytes(bytes(range(128, 256)))
    with pytest.raises(ValueError, match=r'bytes\.csv is not a CSV file'):
        data.load('bytes.csv')


def test_columns_that_are_the_same_have_no_density():
    write(['a,b,c', *(f'{index % 7},{index},{index % 7}' for index in range(20))])
    with pytest.raises(ValueError, match=r'The columns 0 and 2 of those chosen from table\.csv are the same'):
        data.load('table.csv')
    assert data.as_arrays(data.load('table.csv', columns=['a', 'b'])).shape == (16, 2)


def test_marks_of_other_separators_may_stand_in_quotes():
    path = write(['"a; b",c'] + 12 * ['1,2'])
    np.testing.assert_array_equal(tables.read(path, ['a; b']), np.ones([12, 1]))
    with pytest.raises(ValueError, match="holds '1_000', which is no finite number"):
        tables.read(write(['a,b', '1,2', '3,1_000']))


@pytest.mark.parametrize('options', [{'labels': True}, {'levels': 4}, {'binarization': 'threshold'}, {'size': 4}])
def test_a_table_takes_no_options_of_images(options):
    write(lines())
    with pytest.raises(ValueError, match=r'table\.csv is a table: it takes no '):
        data.load('table.csv', **options)


def test_an_image_set_takes_no_columns():
    with pytest.raises(ValueError, match=r"digits is a set of images: it takes no columns, got \['a'\]"):
        data.load('digits', columns=['a'])


@pytest.mark.parametrize('name, count', [('wine_red', 1599), ('wine_white', 4898)])
def test_wine(dataset, name, count):
    dataset('wine_quality')
    splits = [data.as_arrays(data.load(name, split)) for split in data.SPLITS]
    assert sum(map(len, splits)) == count and splits[0].shape[1] == 11
    alcohol = data.as_arrays(data.load(name, 'test', columns=['alcohol']))
    np.testing.assert_array_equal(alcohol, splits[2][:, :1])
