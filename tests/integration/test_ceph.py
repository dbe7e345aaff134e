"""On a server with access control: what is not granted is refused early; the printed policies suffice."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.core.job import ObjectEntry, PrefixEntry
from s3copy_tasks.errors import AccessError
from s3copy_tasks.iam.least_privileges import Side, least_privileges
from s3copy_tasks.iam.trust import trust_workers
from tests.support.s3.servers import READER, WRITER
from tests.support.s3.servers.ceph import Gateway, role, trust, user
from tests.support.s3.servers.endpoint import WORKER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from s3copy_tasks.core.job import EffectiveJob
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.sides import Sides

    Document = dict[str, Any]

pytestmark = pytest.mark.needs("denial")
_numbers = itertools.count(1)


@dataclass
class Partners:
    """Two buckets of two owners, and a role for each side without any permission.

    Attributes:
        gateway: where the owners and the administrator grant.
        sides: the buckets.
        reader: name of the source's role.
        writer: name of the destination's role.
    """

    gateway: Gateway
    sides: Sides
    reader: str
    writer: str

    def job(self, **changes: Any) -> EffectiveJob:
        """Return a job that assumes both roles with the worker's own credentials."""
        job = self.sides.job()
        by_role: dict[str, Any] = {
            "connection": None,
            "endpoint_url": self.sides.endpoint.url,
            "region": "us-east-1",
        }
        places = {
            "source": replace(job.source, role_arn=role(self.reader), **by_role),
            "destination": replace(job.destination, role_arn=role(self.writer), **by_role),
        }
        return replace(job, **(places | changes))

    def printed(self, job: EffectiveJob) -> dict[str, Document]:
        """Return what `s3copy policy` prints for a job between two AWS accounts, with RGW's ARNs."""
        of_source = [[entry.source, None] for entry in job.prefixes] + [[one.source] for one in job.objects]
        of_copies = [[entry.destination, None] for entry in job.prefixes]
        of_copies += [[one.destination] for one in job.objects]
        text = json.dumps(
            least_privileges(
                Side(location=job.source, role=READER, trust=trust_workers(READER, None), patterns=of_source),
                Side(
                    location=job.destination,
                    role=WRITER,
                    trust=trust_workers(WRITER, None),
                    patterns=of_copies,
                ),
                job.options,
            )
        )
        worker = "arn:aws:iam::111111111111:role/the-role-that-your-airflow-workers-run-as"
        words = {READER: role(self.reader), WRITER: role(self.writer), worker: user("worker")}
        for arn, rgw_arn in words.items():
            text = text.replace(arn, rgw_arn)
        found: dict[str, Document] = json.loads(text)
        for policy in found.values():
            policy["Statement"] = [adapt_to_rgw(one) for one in policy.get("Statement", ())]
        return found

    def apply(self, policies: Mapping[str, Document]) -> None:
        """Attach policies to what their names say."""
        for name, trusted in (("source", self.reader), ("destination", self.writer)):
            self.gateway.grant_role(trusted, policies[f"{name}_role_policy"])
            self.gateway.set_trust(trusted, policies[f"{name}_trust_policy"])
        if policies["source_bucket_policy"]["Statement"]:
            self.share(policies["source_bucket_policy"])

    def share(self, policy: Document) -> None:
        """Let the source's owner set the policy of the bucket."""
        bucket = self.sides.source_bucket
        self.sides.source.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))

    def follow(self, error: AccessError) -> None:
        """Grant only what a refusal says is missing."""
        for statement in map(adapt_to_rgw, statements(error.message)):
            policy = {"Version": "2012-10-17", "Statement": [statement]}
            if "Principal" in statement:
                assert statement["Principal"] == {"AWS": role(self.writer)}
                self.share(policy)
            else:
                listed = statement["Resource"] == f"arn:aws:s3:::{self.sides.source_bucket}"
                self.gateway.grant_role(self.reader if listed else self.writer, policy)


def adapt_to_rgw(statement: Document) -> Document:
    """Return a statement with which RGW answers 404 to the writer, too, if an object does not exist.

    RGW does so if the writer may list without a prefix; AWS, and RGW since 2026, if it may list that key.
    https://github.com/ceph/ceph/pull/68577
    """
    lists_copies = statement.get("Action") == ["s3:ListBucket"] and "destination-" in str(statement)
    return {name: value for name, value in statement.items() if not (lists_copies and name == "Condition")}


def statements(message: str) -> Iterator[Document]:
    """Yield the statements that a message prints."""
    start = message.find('{"Effect"')
    while start >= 0:
        statement, length = json.JSONDecoder().raw_decode(message[start:])
        yield statement
        start = message.find('{"Effect"', start + length)


@pytest.fixture
def partners(sides: Sides, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Partners:
    """Two partners without any grants yet, and five objects."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": WORKER.key_id,
        "AWS_SECRET_ACCESS_KEY": WORKER.secret,
        "AWS_ENDPOINT_URL_STS": proxy.url,
    }.items():
        monkeypatch.setenv(name, value)
    gateway, number = sides.server, next(_numbers)
    assert isinstance(gateway, Gateway)
    for name in ("reader", "writer"):
        gateway.add_role(f"{name}-{number}")
    for key in range(5):
        sides.put(f"data/{key}", bytes([key]), Metadata={"n": str(key)}, Tagging=f"n={key}")
    return Partners(gateway, sides, f"reader-{number}", f"writer-{number}")


def refusal(partners: Partners, job: EffectiveJob, proxy: Proxy) -> AccessError:
    """Return the refusal of a job that copies nothing."""
    with pytest.raises(AccessError) as caught:
        partners.sides.run(job)
    assert proxy.kinds()["CopyObject"] == 0
    return caught.value


def test_what_is_printed_suffices(partners: Partners) -> None:
    """The least privileges of a job let it check, copy, head single objects, and find no more to copy."""
    partners.sides.put("catalog/index", b"index")
    entry = ObjectEntry(source="catalog/index", destination="catalog")
    job = partners.job(objects=(entry,))
    partners.apply(partners.printed(job))
    metrics = partners.sides.run(job)
    assert (metrics.files_copied_successfully, metrics.files_failed) == (6, 0)
    assert metrics.files_verified == 6
    copies = {f"copy/{n}": bytes([n]) for n in range(5)}
    assert partners.sides.copied() == {**copies, "catalog": b"index"}
    assert dict(partners.sides.run(job).files_skipped) == {"unchanged": 6}


@dataclass(frozen=True)
class Place:
    """Where a grant is missing.

    Attributes:
        policies: that lack it.
        sid: the statement that goes.
        who: is refused.
        action: first of those that are refused.
        where: resource, with the side in place of the bucket.
    """

    policies: tuple[str, ...]
    sid: str
    who: str
    action: str
    where: str

    def taken_from(self, granted: dict[str, Document]) -> dict[str, Document]:
        """Return policies without the statement."""
        less = dict(granted)
        for name in self.policies:
            kept = [one for one in granted[name]["Statement"] if one["Sid"] != self.sid]
            less[name] = {**granted[name], "Statement": kept}
        return less

    def arn(self, sides: Sides) -> str:
        """Return the resource."""
        side, slash, keys = self.where.partition("/")
        return f"arn:aws:s3:::{getattr(sides, side + '_bucket')}{slash}{keys}"


WRITING = ("destination_role_policy",)
PLACES = {
    "list the source": Place(("source_role_policy",), "ListSource", "reader", "s3:ListBucket", "source"),
    "read as the signer": Place(
        (*WRITING, "source_bucket_policy"), "ReadSource", "writer", "s3:GetObject", "source/data/*"
    ),
    "list the destination": Place(WRITING, "ListDestination", "writer", "s3:ListBucket", "destination"),
    "write": Place(WRITING, "WriteDestination", "writer", "s3:PutObject", "destination/copy/*"),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_what_is_missing_is_named_and_printed(partners: Partners, proxy: Proxy, place: Place) -> None:
    """A refusal names principal, action and resource; the statement that it prints makes the job pass."""
    job = partners.job()
    partners.apply(place.taken_from(partners.printed(job)))
    error = refusal(partners, job, proxy)
    arn = place.arn(partners.sides)
    assert f"{role(getattr(partners, place.who))} is not allowed to perform {place.action}" in error.message
    assert f" on {arn} (" in error.message
    (statement,) = statements(error.message)
    assert (statement["Action"][0], statement["Resource"]) == (place.action, arn)
    partners.follow(error)
    assert partners.sides.run(job).files_copied_successfully == 5


def test_refusals_lead_from_nothing_to_a_copy(partners: Partners, proxy: Proxy) -> None:
    """Granting just what each refusal prints leads to a copy: both listings first, then read and write."""
    job, seen = partners.job(), []
    for _ in range(2):
        error = refusal(partners, job, proxy)
        seen.append([statement["Action"][0] for statement in statements(error.message)])
        partners.follow(error)
    assert seen == [["s3:ListBucket", "s3:ListBucket"], ["s3:GetObject", "s3:PutObject"]]
    assert partners.sides.run(job).files_copied_successfully == 5


def test_a_role_that_trusts_another_principal(partners: Partners, proxy: Proxy) -> None:
    """A role that can't be assumed is named with its trust policy; the printed policy fixes it."""
    job = partners.job()
    granted = partners.printed(job)
    partners.apply(granted)
    partners.gateway.set_trust(partners.writer, trust(user("copier")))
    error = refusal(partners, job, proxy)
    assert error.code == "RoleNotAssumed"
    assert f"destination: no session with role {role(partners.writer)}: " in error.message
    assert "AssumeRole" in error.message
    assert "trust policy" in error.message
    partners.gateway.set_trust(partners.writer, granted["destination_trust_policy"])
    assert partners.sides.run(job).files_copied_successfully == 5


def test_no_more_than_the_prefix(partners: Partners, proxy: Proxy) -> None:
    """With the grants of a job, its roles can neither list, read nor write outside its prefixes."""
    partners.apply(partners.printed(partners.job()))
    partners.sides.put("secret/a")
    beside = [
        (PrefixEntry(source="secret/", destination="copy/"), "s3:ListBucket"),
        (PrefixEntry(source="data/", destination="other/"), "s3:PutObject"),
    ]
    for entry, action in beside:
        error = refusal(partners, partners.job(prefixes=(entry,)), proxy)
        assert f"is not allowed to perform {action}" in error.message


def test_the_trust_that_is_missing_is_printed(partners: Partners, proxy: Proxy) -> None:
    """A role that may not be assumed is refused with the statement that its trust policy lacks (rule 17)."""
    job = partners.job()
    granted = partners.printed(job)
    granted["destination_trust_policy"] = trust(user("copier"))
    partners.apply(granted)
    (statement,) = statements(refusal(partners, job, proxy).message)
    assert statement["Action"] in ("sts:AssumeRole", ["sts:AssumeRole"])


def test_the_role_of_a_connection_is_named(
    partners: Partners, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If STS does not name the signer, the Principal is the role that the connection assumes."""
    granted = partners.printed(partners.job())
    partners.apply(PLACES["read as the signer"].taken_from(granted))
    for side, name in (("SOURCE", partners.reader), ("DESTINATION", partners.writer)):
        connection = partners.sides.endpoint.connection(role(name))
        monkeypatch.setenv(f"AIRFLOW_CONN_AWS_{side}", connection)
    error = refusal(partners, partners.sides.job(), proxy)
    (statement,) = statements(error.message)
    assert statement["Principal"] == {"AWS": role(partners.writer)}


@pytest.mark.xfail(reason="preflight takes the 403 of an absent object for a refusal", raises=AccessError)
def test_a_listing_of_the_prefix_alone_suffices(partners: Partners) -> None:
    """The destination is listed only below the job's prefix, and missing objects do not stop the job."""
    job = partners.job()
    granted = partners.printed(job)
    (listing,) = [s for s in granted["destination_role_policy"]["Statement"] if s["Sid"] == "ListDestination"]
    listing["Condition"] = {"StringLike": {"s3:prefix": ["copy/*"]}}
    partners.apply(granted)
    assert partners.sides.run(job).files_copied_successfully == 5
