import CanonicalJSON

extension Command {
  /// What every command takes besides its own parameters and `id`: `command_id`, `about`, `expected_version`, `reason`,
  /// `correlation_id`, `on_behalf_of`, `origin`, `dry_run`.
  public static let commonParameters: [Field] = {
    var commandIdentifier = Field(name: "command_id", type: .string)
    commandIdentifier.minimumLength = 1
    commandIdentifier.maximumBytes = 128
    commandIdentifier.summary =
      "Idempotency, per actor: the same id with the same params answers the first result again."
    var about = Field(name: "about", type: .tags)
    about.elementType = .uuid
    about.maximumCount = 16
    about.summary = "Ids of users whose personal data the reason speaks of."
    var expectedVersion = Field(name: "expected_version", type: .bigint)
    expectedVersion.minimum = 0
    expectedVersion.summary = "Refuse unless the resource is at this version."
    var reason = Field(name: "reason", type: .text)
    reason.maximumLength = 10_000
    reason.summary = "Why; kept in the event."
    var correlation = Field(name: "correlation_id", type: .string)
    correlation.minimumLength = 1
    correlation.maximumBytes = 255
    correlation.summary = "Kept in the event."
    var onBehalfOf = Field(name: "on_behalf_of", type: .json)
    onBehalfOf.alternatives = [Field(name: "id", type: .uuid), Field(name: "email", type: .email)]
    onBehalfOf.summary =
      "The person for whom an API key gives the command, by id or e-mail address; for keys that act for people."
    var origin = Field(name: "origin", type: .object)
    var address = Field(name: "ip", type: .ip)
    address.summary = "Their address."
    var agent = Field(name: "user_agent", type: .text)
    agent.maximumBytes = 500
    agent.summary = "What their client calls itself."
    origin.items = [address, agent]
    origin.summary = "Where that person is, {\"ip\":…,\"user_agent\":…}; kept in the event, sealed for them."
    var dryRun = Field(name: "dry_run", type: .boolean)
    dryRun.summary = "Decide and answer what would be recorded; record nothing."
    return [
      commandIdentifier, about, expectedVersion, reason, correlation, onBehalfOf, origin, dryRun,
    ].map { field in
      var parameter = field
      parameter.isParameter = true
      return parameter
    }
  }()
}
