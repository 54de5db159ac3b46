import CanonicalJSON

extension Command {
  /// What every command takes besides its own parameters and `id`: `command_id`, `about`, `expected_version`, `reason`,
  /// `correlation_id`, `dry_run`.
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
    var dryRun = Field(name: "dry_run", type: .boolean)
    dryRun.summary = "Decide and answer what would be recorded; record nothing."
    return [commandIdentifier, about, expectedVersion, reason, correlation, dryRun].map { field in
      var parameter = field
      parameter.isParameter = true
      return parameter
    }
  }()
}
