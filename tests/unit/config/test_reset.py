from config import reset
from config.processes import preflight


def test_our_folder_is_wiped(tmp_path, monkeypatch, capsys):
    home = tmp_path / "home"
    preflight.check_home(home)
    (home / "postgres").mkdir()
    monkeypatch.setenv("TOLLGATE_HOME", str(home))

    assert reset.main() == 0
    assert list(home.iterdir()) == []
    assert "is empty" in capsys.readouterr().out


def test_folder_of_somebody_else_stays(tmp_path, monkeypatch, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    monkeypatch.setenv("TOLLGATE_HOME", str(tmp_path))

    assert reset.main() == 1
    assert (tmp_path / "thesis.txt").exists()
    assert "no data folder of Tollgate" in capsys.readouterr().err


def test_folder_in_use_stays(tmp_path, monkeypatch, capsys):
    home = tmp_path / "home"
    preflight.check_home(home)
    monkeypatch.setenv("TOLLGATE_HOME", str(home))

    with preflight.hold(home):
        assert reset.main() == 1

    assert (home / "secrets").exists()
    assert "running" in capsys.readouterr().err


def test_link_inside_is_removed_and_not_followed(tmp_path, monkeypatch):
    home, outside = tmp_path / "home", tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("")
    preflight.check_home(home)
    (home / "link").symlink_to(outside)
    monkeypatch.setenv("TOLLGATE_HOME", str(home))

    assert reset.main() == 0
    assert (outside / "kept").exists()
