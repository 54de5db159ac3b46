import CanonicalJSON
import DaybookClient
import Refusals

/// Makes a pipeline, changes it, and reads it back as it was before: what a program does with ``DaybookClient``.
///
/// `address` is such as `unix:./daybook-data/daybook.sock`.
func changeAPipeline(at address: String) async throws -> JSON {
  let client = try await DaybookClient.connect(to: Endpoint.parse(address))
  // Over TCP and TLS: try await client.call("session.open", ["api_key": "dbk_…"])

  let organization = try await client.call("organization.create", ["name": "Globex", "slug": "globex"])
  guard let organizationID = organization["id"] else { throw ClientError.malformed("an answer without an id") }

  // The same command_id gives the same answer, however often it is sent.
  let created = try await client.call(
    "pipeline.create",
    [
      "organization_id": organizationID, "name": "hourly", "config": ["retries": 1],
      "command_id": "0199a1b2-0000-7000-8000-000000000001",
    ])
  let id = created["id"] ?? .null

  // Three commands on the wire at once; they are applied in this order.
  let replies = (2...4).map { retries in
    client.send("pipeline.edit", ["id": id, "config": ["retries": .integer(Int64(retries))]])
  }
  for reply in replies { _ = try await reply.value }

  // A refusal is an error with a code of a closed set, and what it needs to go on.
  do {
    _ = try await client.call("pipeline.edit", ["id": id, "name": "daily", "expected_version": 1])
  } catch let error as ClientError where error.code == .conflict {
    print("refused: \(error), it is at version \(error.refusal?.data["actual"] ?? .null)")
  }

  // Subscribe from the beginning: history first, then whatever comes.
  _ = try await client.call("log.subscribe", ["from": 1, "events": ["pipeline.*"]])
  var seen = 0
  for await notification in client.notifications where notification.method == "log.event" {
    seen += 1
    if seen == 4 { break }
  }

  let before = try await client.call(
    "pipeline.get", ["id": id, "as_of": created["position"] ?? .null])
  try await client.close()
  return before
}
