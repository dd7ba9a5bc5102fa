import time, numpy as np, pytest
from association_tools import *
from test_association import cluster as heap, catalogues, scattered
@pytest.fixture(scope="module")
def bench(cluster):
    with lend_bench(cluster) as b: yield b
def run(bench, s, o, radius, label):
    bench.connection.execute("select apdb.set_setting('duplicate_radius', '1e-9')")
    bench.objects(o); bench.sources(s)
    t=time.perf_counter(); n=bench.pairs(radius); t1=time.perf_counter()
    m=bench.match('likelihood', radius); t2=time.perf_counter()
    print(f"{label}: pairs {len(n)}, candidate {t1-t:.3f}, match likelihood {t2-t1:.3f}")
    bench.forget()
def test_t(bench):
    for n,size in ((100,5),(300,9),(1000,16),(300,3),(1000,5)):
        rng=np.random.default_rng(1)
        s,o=catalogues(rng,*heap(rng,n,n,size))
        run(bench,s,o,1.5,f"heap {n} in {size}")
    for n in (100,300,1000,3000):
        rng=np.random.default_rng(1)
        east = np.arange(2 * n) * 0.6
        ra,dec=scattered(rng,(10.,20.),east+rng.normal(0,.05,2*n),rng.normal(0,.05,2*n))
        s,o=catalogues(rng,(ra[::2],dec[::2]),(ra[1::2],dec[1::2]))
        run(bench,s,o,0.9,f"chain {n}")
    rng=np.random.default_rng(1)
    n=10000
    ra,dec=rng.uniform(10,10.4,n),rng.uniform(0,.4,n)
    s,o=catalogues(rng,(ra+rng.normal(0,.1/3600,n),dec),(ra,dec))
    run(bench,s,o,1.0,"10000 ordinary")
    run(bench,s,o,5.0,"10000 r=5")
