import ArgumentParser
import CanonicalJSON
import DaybookClient

/// What a shell completes from the server: types, methods and names. Where no server answers at once, nothing.
enum Completions {
  /// How long somebody who pressed Tab waits.
  private static let patience = Duration.seconds(2)

  static let types = CompletionKind.custom { words, _, prefix in
    await asked(words) { try await ServerTypes($0).names }.filter { $0.hasPrefix(prefix) }
  }

  static let methods = CompletionKind.custom { words, _, prefix in
    await asked(words) { try await ServerTypes($0).methods }.filter { $0.hasPrefix(prefix) }
  }

  static let pipelines = CompletionKind.custom { words, _, prefix in
    await asked(words) { try await names("pipeline", $0) }.filter { $0.hasPrefix(prefix) }
  }

  static let datasets = CompletionKind.custom { words, _, prefix in
    await asked(words) { try await names("dataset", $0) }.filter { $0.hasPrefix(prefix) }
  }

  /// The names of what has the type that stands before.
  static let names = CompletionKind.custom { words, index, prefix in
    guard index > 0, index <= words.count else { return [] }
    let type = words[index - 1]
    return await asked(words) { client in
      try await names(try await ServerTypes(client).type(type), client)
    }.filter { $0.hasPrefix(prefix) }
  }

  static let organizations = CompletionKind.custom { words, _, prefix in
    await asked(words) { client in
      (try await client.call("organization.list", ["limit": 1000])["items"]?.arrayValue ?? []).texts("slug")
    }.filter { $0.hasPrefix(prefix) }
  }

  static let contexts = CompletionKind.custom { _, _, prefix in
    ((try? Contexts.read())?.names ?? []).filter { $0.hasPrefix(prefix) }
  }

  private static func names(_ type: String, _ client: DaybookClient) async throws -> [String] {
    let items = try await client.call("\(type).list", ["limit": 1000])["items"]?.arrayValue ?? []
    return items.compactMap { Names.label(of: $0, type: type) }
  }

  /// What a server answers in time; the empty list where it doesn't, since a shell has nobody to tell.
  private static func asked(
    _ words: [String], _ body: @escaping @Sendable (DaybookClient) async throws -> [String]
  ) async -> [String] {
    var given: [String] = []
    for name in ["--connect", "--api-key", "--tls-ca", "--context"] {
      guard let place = words.firstIndex(of: name), place + 1 < words.count else { continue }
      given += [name, words[place + 1]]
    }
    guard let options = try? ConnectionOptions.parse(given), options.asksNobody else { return [] }
    return await withTaskGroup(of: [String].self) { group in
      group.addTask { (try? await options.withClient(body)) ?? [] }
      group.addTask {
        try? await Task.sleep(for: patience)
        return []
      }
      let first = await group.next() ?? []
      group.cancelAll()
      return first
    }
  }
}
