import json
from tests.service.test_tills_api import *
from tests.service.test_tills_api import shop, merchant_id, clerk, manager, buy, phone, scanner
def test_sur(client, clerk, scanner):
    from uuid import uuid4
    out=[]
    kw={"content_type":"application/json","headers":clerk}
    for code in ("\ud800", "A\x00B", "\u202e", "=1+1", "😀"*10):
        try:
            a = client.put(f"/v1/consumptions/{uuid4()}", data=json.dumps({"code": code}), **kw).status_code
        except Exception as e: a=repr(e)
        item = {"id": str(uuid4()), "code": code, "scanned_at": "2026-11-21T00:00:00Z", "scanner_id": str(scanner[0]), "signature": "0"*64}
        b = client.post("/v1/consumptions", data=json.dumps({"consumptions":[item]}), **kw).status_code
        c = client.put(f"/v1/scans/{uuid4()}", data=json.dumps({"live_code": code}), **kw).status_code
        out.append((ascii(code), a, b, c))
    raise AssertionError(str(out))
