extension Item: Identifiable {}
