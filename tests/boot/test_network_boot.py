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
def web_server(network, answer):
    """Serves what answer(handler) writes, at port 80 of the boot wire."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            answer(self)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    server = network.inside(http.server.ThreadingHTTPServer, (SERVER, 80), Handler)
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


def faulty(folder, fault):
    """The same, but talus.elf as fault(handler, content) writes it."""
    sound = files_of(folder)

    def answer(handler):
        if handler.path.endswith("/talus.elf"):
            handler.close_connection = True
            fault(handler, (folder / handler.path.lstrip("/")).read_bytes())
        else:
            sound(handler)

    return answer


def machine(network, tmp_path, switched_off, smp=4):
    """One that starts from the boot wire."""
    blank = tmp_path / "blank.img"
    blank.write_bytes(bytes(MEBIBYTE))
    words = (f"-netdev tap,id=boot,ifname={WIRE},script=no,downscript=no "
             "-device virtio-net-pci,netdev=boot,romfile=,bootindex=1 -device virtio-rng-pci ")
    words += " ".join(f"-fw_cfg name=opt/org.tianocore/{name},string=n" for name in switched_off)
    return uefi("disk", blank, f"--qemu-args={words}", network=network, smp=smp)


HTTP_V4 = ["--dhcp-range=198.51.100.10,198.51.100.20,255.255.255.0,1h",
           "--dhcp-option-force=60,HTTPClient"]


@pytest.fixture(scope="module", autouse=True)
def machine_over_ipv6(tmp_path_factory, image):
    """Started before the first test: most of what it does is to wait for routers."""
    folder = tmp_path_factory.mktemp("ipv6")
    with boot_network() as network:
        lay_out(folder / "files", talus_elf=image, talus_cfg=network.talus_words.encode())
        url = f"tftp://[{SERVER_V6}]/EFI/BOOT/BOOTX64.EFI"
        with dnsmasq(network, folder, "--dhcp-range=2001:db8::10,2001:db8::20,64,1h",
                     "--enable-ra", f"--dhcp-option=option6:bootfile-url,{url}", "--enable-tftp",
                     f"--tftp-root={folder / 'files'}"):
            talus = machine(network, folder, ONLY_V6)
            talus.start(is_awaited=False)
            try:
                yield talus
            finally:
                talus.stop()


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


def test_firmware_keeps_the_iso_as_a_disk(images, tmp_path):
    with boot_network() as network:
        url = f"--dhcp-boot=http://{SERVER}/{images['iso'].name}"
        with dnsmasq(network, tmp_path, *HTTP_V4, url), \
                web_server(network, files_of(images["iso"].parent)):
            talus = machine(network, tmp_path, NO_PXE)
            talus.start(is_awaited=False)
            try:
                talus.wait_for(r"started by GRUB")
                talus.wait_for(r"httpd: \d+ files from /boot/root.tar")
            finally:
                talus.stop()


def answer_with(status, length, sent_bytes=None, silence=None):
    """Head, a part of the content, and then either the end or nothing until silence is set."""
    def write(handler, content):
        handler.send_response(status)
        if length is not None:
            handler.send_header("Content-Length", str(length(content)))
        handler.end_headers()
        handler.wfile.write(content[:sent_bytes])
        handler.wfile.flush()
        if silence is not None:
            silence.wait()

    return write


FILE = r"\\EFI\\talus\\talus.elf"
ON_SERVER = f"the web server http://{SERVER}"


def machine_without_files(stack, tmp_path):
    """A TFTP server has the application alone."""
    folder = tmp_path / "tftp"
    lay_out(folder)
    network = stack.enter_context(boot_network())
    stack.enter_context(dnsmasq(network, folder, HTTP_V4[0], "--enable-tftp",
                                f"--tftp-root={folder}", "--dhcp-boot=EFI/BOOT/BOOTX64.EFI"))
    talus = machine(network, folder, [], smp=1)
    stack.callback(talus.stop)
    talus.start(is_awaited=False)
    return talus


def test_servers_that_fail_are_named_and_a_key_waited_for(tmp_path, image):
    """All at once: each machine mostly waits."""
    silence = threading.Event()
    faults = {
        f"{FILE} is not on {ON_SERVER}$": answer_with(404, len, 0),
        f"{FILE} cannot be read from {ON_SERVER}: refused$": answer_with(503, len, 0),
        f"{FILE} cannot be read from {ON_SERVER}: it ends too early$":
            answer_with(200, len, 100000),
        f"{FILE} cannot be read from {ON_SERVER}: no answer$":
            answer_with(200, len, 100000, silence),
        f"{FILE} does not fit into memory$": answer_with(200, lambda _: 1 << 62, 1000),
    }
    url = f"--dhcp-boot=http://{SERVER}/EFI/BOOT/BOOTX64.EFI"
    with contextlib.ExitStack() as stack:
        stack.callback(silence.set)
        machines = {}
        for number, (complaint, fault) in enumerate(faults.items()):
            folder = tmp_path / str(number)
            lay_out(folder / "files", talus_elf=image)
            network = stack.enter_context(boot_network())
            stack.enter_context(dnsmasq(network, folder, *HTTP_V4, url))
            stack.enter_context(web_server(network, faulty(folder / "files", fault)))
            machines[complaint] = machine(network, folder, NO_PXE, smp=1)
            stack.callback(machines[complaint].stop)
            machines[complaint].start(is_awaited=False)
        machines[rf"{FILE} is not on the TFTP server that this program was started from$"] = \
            machine_without_files(stack, tmp_path)
        for complaint, talus in machines.items():
            talus.wait_for(rf"Talus cannot start: {complaint}")
            talus.wait_for(r"Press a key to go back to the firmware\.")


def test_a_tftp_server_is_found_over_ipv6(machine_over_ipv6):
    talus = machine_over_ipv6
    talus.wait_for(r"listening on http://")
    assert "UEFI PXEv6" in talus.console
    assert f"command line: {talus.network.talus_words}" in talus.console
    assert len(curl(talus, "/4b")) == 4
