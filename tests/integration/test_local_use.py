"""The commands in a clone of the model, on a developer's machine."""

from __future__ import annotations

import os
import subprocess

import pytest
import yaml

from by_hand import show
from harness.model_repository import weights


def git(directory, *arguments):
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
                   "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b", "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(["git", *arguments], cwd=directory, env=environment, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def clone(place, tmp_path):
    """A developer's clone of the model, as `git clone` leaves it, and a kubeconfig with the rights of the script."""
    home = tmp_path / "home"
    home.mkdir()
    directory = home / "qwen"
    authority = place.gitlab.authority
    url = f"https://oauth2:{place.token}@{authority}/{place.project.full_path}.git"
    git(home, "-c", f"http.sslCAInfo={place.gitlab.ca_file}", "clone", url, "qwen")
    git(directory, "remote", "set-url", "origin", f"https://{authority}/{place.project.full_path}.git")
    return directory


class TestLocalUse:
    def test_the_model_check_looks_at_the_commit_of_the_clone(self, place, clone):
        place.project.commit({"model.safetensors": weights(988_097_900, stored=False)}, message="weights that were not pushed")
        arguments = ("deploy", "--model-dir", str(clone))
        assert place.deploy(*arguments, MODEL_REPO=None, MODEL_CHECK="fail").code == 0, "the clone does not have that commit yet"
        url = f"https://oauth2:{place.token}@{place.gitlab.authority}/{place.project.full_path}.git"
        git(clone, "-c", f"http.sslCAInfo={place.gitlab.ca_file}", "pull", url, "main")
        run = place.deploy(*arguments, MODEL_REPO=None, MODEL_CHECK="fail")
        assert run.code == 3 and "model.safetensors" in run.log and "git lfs push" in run.log, run.log

    def test_project_branch_and_commit_of_the_clone(self, place, clone):
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None)
        assert run.code == 0, run.log
        document = yaml.safe_load(run.output)
        assert document["spec"]["predictor"]["model"]["storageUri"].endswith(":" + git(clone, "rev-parse", "HEAD"))
        assert document["metadata"]["annotations"]["aml-model-repo-branch"] == "main"
        assert "warning" not in run.log

    def test_unpushed_commit_is_refused_with_the_count(self, place, clone):
        for number in range(2):
            git(clone, "commit", "--allow-empty", "-m", f"change {number}")
        (clone / "README.md").write_text("changed")
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None)
        assert run.code == 3, run.log
        assert "2 commits are not pushed" in run.log and "1 file is not committed" in run.log
        assert f"git -C {clone} push" in run.log and run.output == ""

    def test_uncommitted_files_are_a_warning(self, place, clone):
        (clone / "README.md").write_text("changed")
        (clone / "new.txt").write_text("new")
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None)
        assert run.code == 0, run.log
        assert "warning: " in run.log and "1 file is not committed, 1 file is not tracked" in run.log

    def test_branch_beside_model_dir_is_refused(self, place, clone):
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None, MODEL_REPO_BRANCH="main")
        assert run.code == 2 and "MODEL_DIR" in run.log

    @pytest.mark.parametrize("remote", ["git@gitlab.example.com:{path}.git", "ssh://git@gitlab.example.com:2222/{path}.git", "ssh://gitlab.example.com/{path}",
                                        "https://me@gitlab.example.com:8443/{path}.git/", "short:{path}.git"],
                             ids=["scp-like", "ssh with port", "ssh", "https with user and port", "insteadOf"])
    def test_every_spelling_of_a_remote_gives_the_project(self, place, clone, remote):
        """GitLab itself is that of the ConfigMap."""
        git(clone, "remote", "set-url", "origin", remote.format(path=place.project.full_path))
        git(clone, "config", "url.https://gitlab.example.com/.insteadOf", "short:")
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None)
        assert run.code == 0, run.log
        assert yaml.safe_load(run.output)["metadata"]["annotations"]["aml-model-repo"] == "qwen"

    def test_the_branchs_own_remote_comes_before_origin(self, place, clone):
        git(clone, "remote", "rename", "origin", "platform")
        git(clone, "remote", "add", "origin", "https://elsewhere.example.com/some/fork.git")
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None)
        assert run.code == 0, run.log

    def test_worktree_and_detached_head(self, place, clone):
        git(clone, "worktree", "add", "-q", "../side", "-b", "side")
        run = show(place, "render", "--model-dir", str(clone.parent / "side"), MODEL_REPO=None)
        assert run.code == 0, run.log
        assert yaml.safe_load(run.output)["metadata"]["annotations"]["aml-model-repo-branch"] == "side"
        git(clone, "checkout", "-q", "--detach")
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None)
        assert run.code == 0, run.log
        document = yaml.safe_load(run.output)
        assert document["metadata"]["annotations"]["aml-model-repo-branch"] == ""
        assert document["spec"]["predictor"]["model"]["storageUri"].endswith(git(clone, "rev-parse", "HEAD"))

    def test_a_model_that_is_a_submodule(self, place, clone, tmp_path):
        outer = tmp_path / "home" / "outer"
        outer.mkdir()
        git(outer, "init", "-q")
        git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(clone), "model")
        git(outer / "model", "remote", "set-url", "origin", f"git@gitlab.example.com:{place.project.full_path}.git")
        run = show(place, "render", "--model-dir", str(outer / "model"), MODEL_REPO=None)
        assert run.code == 0, run.log

    @pytest.mark.parametrize("make, said", [(("init", "-q", "it"), "no commit yet"), (("clone", "-q", "--bare", "qwen", "it"), "bare repository")], ids=["unborn", "bare"])
    def test_what_cannot_be_deployed_says_why(self, place, clone, make, said):
        git(clone.parent, *make)
        run = show(place, "render", "--model-dir", str(clone.parent / "it"), MODEL_REPO=None)
        assert run.code == 2 and said in run.log, run.log

    def test_no_remote(self, place, clone):
        git(clone, "remote", "remove", "origin")
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None)
        assert run.code == 2 and "git remote add origin" in run.log, run.log
        assert show(place, "render", "--model-dir", str(clone)).code == 0, "MODEL_REPO says what the remote would"

    def test_no_clone(self, place, tmp_path):
        run = show(place, "render", "--model-dir", str(tmp_path), MODEL_REPO=None)
        assert run.code == 2 and "is not in a Git clone" in run.log

    @pytest.fixture
    def bare_namespace(self, place):
        """As on a plain KServe cluster: nobody put GitLab's address and token there."""
        for kind, name in (("ConfigMap", "aml-image-builder-config"), ("Secret", "aml-image-builder-secret")):
            place.cluster.client.delete(kind, name, place.namespace)
        return place

    def test_remote_and_credential_helper(self, bare_namespace, clone, tmp_path):
        place = bare_namespace
        helper = "!f() { cat > /dev/null; echo username=oauth2; echo password=$(cat %s); }; f" % (tmp_path / "secret")
        (tmp_path / "secret").write_text(str(place.token))
        (tmp_path / "gitconfig").write_text(f'[credential]\n\thelper = "{helper}"\n')
        env = {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"), "GIT_CONFIG_NOSYSTEM": "1"}
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None, env=env)
        assert run.code == 0, run.log
        assert "git credential" in run.log, "where the login came from is said"
        assert str(place.token) not in run.log + run.output

    def test_netrc(self, bare_namespace, clone):
        place = bare_namespace
        host = place.gitlab.authority.split(":")[0]
        netrc = place.binary.directory / ".netrc"
        netrc.write_text(f"machine other login a password b\nmachine {host}\n  login me\n  password {place.token}\n")
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None, env={"GIT_CONFIG_NOSYSTEM": "1"})
        assert run.code == 0, run.log
        assert ".netrc" in run.log and str(place.token) not in run.log + run.output

    def test_token_of_the_environment_comes_first(self, bare_namespace, clone):
        place = bare_namespace
        (place.binary.directory / ".netrc").write_text("default login me password wrong-wrong-wrong\n")
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None, env={"GITLAB_TOKEN": str(place.token), "GIT_CONFIG_NOSYSTEM": "1"})
        assert run.code == 0, run.log

    def test_without_any_login_git_asks_nobody(self, bare_namespace, clone):
        run = show(bare_namespace, "render", "--model-dir", str(clone), MODEL_REPO=None, env={"GIT_CONFIG_NOSYSTEM": "1"})
        assert run.code in (3, 9), run.log
        assert "without a token" in run.log and "GITLAB_TOKEN" in run.log
        assert "fatal:" not in run.log, "what git prints is not ours"
        assert run.seconds < 30

    def test_in_a_pipeline_the_machine_is_not_asked(self, place):
        """Where the platform gave a token, a netrc of the image must not take its place."""
        (place.binary.directory / ".netrc").write_text("default login me password wrong-wrong-wrong\n")
        assert show(place, "render").code == 0
