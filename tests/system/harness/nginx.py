# SPDX-License-Identifier: MIT
"""nginx on this host, inside a network and without being installed, with a log of what it served."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import paths
from .waiting import WAIT_S, HarnessError, wait_until

PACKAGES = "nginx libpcre2-8-0 libssl3 libcrypt1 zlib1g libc6"
UNPACK = f'here={paths.REPOSITORY}/tests/guest; . "$here/packages.sh"; need_folders "$0"; unpack "$0" {PACKAGES}'
PAGES = {"4b": 4, "1k": 1024, "100k": 102400}

# `combined` would name the client: what is counted is the path and the status.
CONFIGURATION = """
user root;
daemon off;
worker_processes 1;
error_log stderr;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
    default_type application/octet-stream;
    log_format short '$uri $status';
    access_log {folder}/access.log short;
    client_body_temp_path {folder}/client_body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
    server {{ listen {address}:{port} backlog=4096; root {folder}/pages; }}
}}
"""


class Nginx:
    """Serves /4b, /1k and /100k. Use with `with`."""

    def __init__(self, network, port=80):
        self.network = network
        self.address = f"{network.host_address}:{port}"
        self._port = port
        self._folder = None
        self._process = None

    def __enter__(self):
        self._folder = Path(tempfile.mkdtemp(prefix="talus-nginx-"))
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        root = self._folder / "root"
        subprocess.run(["sh", "-c", UNPACK, root], check=True, capture_output=True)
        pages = self._folder / "pages"
        for folder in (pages, self._folder / "logs"):
            folder.mkdir()
        for name, size in PAGES.items():
            (pages / name).write_bytes((b"0123456789" * (size // 10 + 1))[:size])
        configuration = self._folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(
            folder=self._folder, address=self.network.host_address, port=self._port), "ascii")
        libraries = f"{root}/lib/x86_64-linux-gnu:{root}/usr/lib/x86_64-linux-gnu"
        self._process = subprocess.Popen(
            self.network.command(f"{root}/lib64/ld-linux-x86-64.so.2", "--library-path", libraries,
                                 f"{root}/usr/sbin/nginx", "-p", self._folder, "-c", configuration),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wait_until(self._is_up, "nginx")

    def _is_up(self):
        if self._process.poll() is not None:
            raise HarnessError(f"nginx ended:\n{self._process.stdout.read().decode()}")
        return self.network.run("curl", "-s", "-o", "/dev/null",
                                f"http://{self.address}/4b").returncode == 0

    def __exit__(self, *_):
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(WAIT_S)
            finally:
                self._process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def served(self, path, status=200):
        """How often, as its log says."""
        text = Path(self._folder, "access.log").read_text("ascii")
        return len(re.findall(rf"^{re.escape(path)} {status}$", text, re.MULTILINE))

    def wait_until_served(self, path, count):
        """It logs a request when it has sent the answer, which the client may have seen before."""
        wait_until(lambda: self.served(path) >= count, f"{count} times {path}",
                   lambda: f"{self.served(path)} times", period_s=0.01)
