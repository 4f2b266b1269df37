import subprocess, pytest, pytest_asyncio
from tests.hostile.test_bad_input import *
from tests.conftest import kafka
pytestmark=[pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]
for n in list(globals()):
    if n.startswith("test_"): del globals()[n]
@pytest.mark.parametrize("codec",["gzip","lz4","snappy","zstd"])
async def test_codec(stand, codec):
    t=stand.version.events["act.asked"].topic
    subprocess.run(["kcat","-P","-b",stand._settings.bootstrap,"-t",t,"-p","0","-z",codec],input=b"\n".join(b'{"n": 1, "do": "answer answer answer"}' for _ in range(300)),check=True)
    good = await stand.ask("act")
    await until(lambda: stand.answers(good), "stuck", 8)
