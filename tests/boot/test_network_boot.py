# SPDX-License-Identifier: MIT
"""BOOTX64.EFI over the network, by PXE and by HTTP boot, and what it says of servers that fail.

Firmware boots over a virtio card; Talus then serves over its 82599, on a wire of its own. Both
wires are in one namespace, with dnsmasq for addresses, names and TFTP.
"""

import contextlib
import http.server
import subprocess
import threading

import pytest

from harness import Network, curl
from volume import MEBIBYTE, archive, lay_out, uefi

WIRE = "boot0"
SERVER, SERVER_V6 = "198.51.100.1", "2001:db8::1"
NAME = "boot.test"

# Of those that OVMF knows it tries PXE first, IPv4 first, and each waits a minute for an answer.
NO_PXE = ["IPv4PXESupport", "IPv6PXESupport"]
ONLY_V6 = ["IPv4PXESupport"]


@contextlib.contextmanager
def boot_network():
    with Network() as network:
        for words in (["ip", "tuntap", "add", "dev", WIRE, "mode", "tap"],
                      ["ip", "addr", "add", f"{SERVER}/24", "dev", WIRE],
                      ["ip", "addr", "add", f"{SERVER_V6}/64", "dev", WIRE, "nodad"],
                      ["ip", "link", "set", WIRE, "up"]):
            network.run(*words, check=True)
        yield network


@contextlib.contextmanager
def dnsmasq(network, tmp_path, *options):
    """Gives addresses on the boot wire until the end of the block."""
    words = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--no-ping",
             "--no-resolv", "--no-hosts", f"--interface={WIRE}", "--bind-interfaces",
             f"--dhcp-leasefile={tmp_path / 'leases'}", f"--pid-file={tmp_path / 'pid'}",
             f"--address=/{NAME}/{SERVER}", "--log-facility=-", *options]
    with open(tmp_path / "dnsmasq.log", "wb") as log:
        with subprocess.Popen(network.command(*words), stdout=log, stderr=log) as process:
            try:
                yield
            finally:
                process.terminate()


@contextlib.contextmanager
def web_server(network, answer, family=http.server.ThreadingHTTPServer.address_family,
               address=SERVER):
    """Serves what answer(handler) writes, at port 80 of the boot wire."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            answer(self)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        address_family = family

    server = network.inside(Server, (address, 80), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def files_of(folder):
    """Answers with the files of a folder."""
    def answer(handler):
        path = folder / handler.path.lstrip("/")
        content = path.read_bytes() if path.is_file() else None
        handler.send_response(200 if content is not None else 404)
        handler.send_header("Content-Length", str(len(content or b"")))
        handler.end_headers()
        if handler.command == "GET" and content is not None:
            handler.wfile.write(content)

    return answer


def machine(network, tmp_path, switched_off):
    """One that starts from the boot wire."""
    blank = tmp_path / "blank.img"
    blank.write_bytes(bytes(MEBIBYTE))
    words = (f"-netdev tap,id=boot,ifname={WIRE},script=no,downscript=no "
             "-device virtio-net-pci,netdev=boot,romfile=,bootindex=1 -device virtio-rng-pci ")
    words += " ".join(f"-fw_cfg name=opt/org.tianocore/{name},string=n" for name in switched_off)
    return uefi("disk", blank, f"--qemu-args={words}", network=network)


HTTP_V4 = ["--dhcp-range=198.51.100.10,198.51.100.20,255.255.255.0,1h",
           "--dhcp-option-force=60,HTTPClient"]


def test_a_web_server_gives_what_a_volume_would(tmp_path, image):
    """By name, from a folder, and with a server that says nothing of the type of a file."""
    page = b"from the web server\n"
    with boot_network() as network:
        words = f"{network.talus_words} nodes=2 # and no more\n".encode()
        lay_out(tmp_path / "talus", talus_elf=image, talus_cfg=words,
                root_tar=archive("own.txt", page))
        url = f"--dhcp-boot=http://{NAME}/talus/EFI/BOOT/BOOTX64.EFI"
        with dnsmasq(network, tmp_path, *HTTP_V4, url), \
                web_server(network, files_of(tmp_path)), \
                machine(network, tmp_path, NO_PXE) as talus:
            assert f"command line: {network.talus_words} nodes=2" in talus.console
            assert "started by UEFI" in talus.console
            assert curl(talus, "/own.txt") == page
