"""One transcript for each cause that must be told, in the files causes_*.py: the true texts of every part of the platform, and what must be
said of them."""

from world import World

ALL = []


def cause(function):
    """A world named after the function; the docstring is for the reader."""
    ALL.append(function)
    return function


def create(name, pod=True, **options):
    """A new service: KServe made the Deployment, its ReplicaSet and a pod."""
    world = World(name, generation=1, **options)
    world.see("InferenceService", world.service(ready=None))
    world.synced()
    world.after(0.3).see("Deployment", world.deployment(generation=1, observed=0, revision="1"))
    world.see("InferenceService", world.service(ready="Unknown"))
    world.after(0.1).see("ReplicaSet", world.replica_set(revision="1"))
    world.see("Deployment", world.deployment(generation=1, revision="1", replicas=1, updated=1))
    return (world, world.see("Pod", world.pod())) if pod else world
