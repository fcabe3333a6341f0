# SPDX-License-Identifier: MIT
"""The date: by the battery-backed clock, by an NTP server, in pages and in the log; and the clock,
which goes on being measured."""

import re
import time
from email.utils import parsedate_to_datetime

import pytest

from harness import Network, Talus, curl, wait_until
from ntp_server import CLIENT, NtpServer, packet
from test_hosted import PLAIN, Hosted, TapNetwork

FAR_S = 1928000000  # 2031-02-04: no clock of ours
NTP_WORDS = f"ntp={Network.host_address}"
STAMP = r"\[20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\] "


def date_s(talus):
    """What the Date of a page says. Several connections, so each of the web servers is asked."""
    head = curl(talus, "/4b", "--head").decode()
    return parsedate_to_datetime(re.search(r"Date: (.*)\r", head)[1]).timestamp()


def follows(talus, clock):
    """Whether each of some pages has a Date that `clock` showed while it was asked for, to the
    second, and one more for what was left of the last one."""
    for _ in range(6):
        before_s = clock()
        told_s = date_s(talus)
        if not before_s - 2 <= told_s <= clock() + 1:
            return False
    return True


def answers(talus, result):
    """How many answers to questions for the date the speaker has got of this kind."""
    metrics = curl(talus, "/metrics").decode()
    pattern = rf'talus_ntp_answers_total{{node="0",result="{result}"}} (\d+)'
    return int(re.search(pattern, metrics)[1])


def test_the_clock_is_measured_on_and_the_date_is_the_batterys():
    """The line comes once a look leaves less doubt than a millionth: when, is the host's affair."""
    with Network() as network, Talus(words="log=info,time", network=network) as talus:
        talus.wait_for(r"node0 clock: TSC [0-9.]+ MHz, to a millionth")
        assert abs(date_s(talus) - time.time()) < 24 * 3600
        # What boot says before the nodes read the option has no date.
        lines = re.findall(r"^.* node\d (?:ls|ts|httpd|clock): .*$", talus.console, re.MULTILINE)
        assert len(lines) >= 4
        assert all(re.match(STAMP, line) for line in lines), lines


def test_pages_have_the_date_of_the_server():
    """On two nodes with web servers, none of which asks it."""
    with Network() as network, NtpServer(network, FAR_S) as server, \
            Talus(words=NTP_WORDS, network=network) as talus:
        talus.wait_for(rf"node0 ts: ntp: date by {Network.host_address}, \d+\.\d+ s later")
        wait_until(lambda: follows(talus, server.now_s), "the server's date in pages")
        assert answers(talus, "taken") >= 1
        assert answers(talus, "refused") == 0


@pytest.fixture(name="wrong_first")
def fixture_wrong_first():
    """The first question gets wrong answers only, the others a right one behind them."""
    questions = []

    def answer(request, now_s):
        questions.append(request)
        wrong_s = now_s + 100000
        wrong = [packet(request, wrong_s, first=CLIENT),
                 packet(request, wrong_s, originate=request[-1] ^ 1),
                 packet(request, wrong_s)[:47]]
        return wrong if len(questions) == 1 else wrong + [packet(request, now_s)]
    return answer


def test_wrong_answers_are_refused_and_counted(wrong_first):
    with TapNetwork() as network, NtpServer(network, FAR_S, wrong_first) as server, \
            Hosted(network, PLAIN, 2, NTP_WORDS) as talus:
        talus.wait_for_line(f"ntp: {Network.host_address} does not answer")
        talus.wait_for_line(f"ntp: date by {Network.host_address}, ")
        wait_until(lambda: follows(talus, server.now_s), "the server's date in pages")
        assert answers(talus, "refused") >= 6
        assert answers(talus, "none") >= 1
        assert talus.console().count("does not answer") == 1


def test_a_server_of_stratum_0_is_not_believed():
    def answer(request, now_s):
        return [packet(request, now_s, stratum=0)]

    with TapNetwork() as network, NtpServer(network, FAR_S, answer), \
            Hosted(network, PLAIN, 1, NTP_WORDS) as talus:
        talus.wait_for_line(f"ntp: {Network.host_address} does not want to be asked")
        assert answers(talus, "refused") == 1
        assert follows(talus, time.time)
