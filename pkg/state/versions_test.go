package state

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/sourcegraph/srcprom/pkg/config"
)

func numbers(versions []Version) []uint64 {
	var out []uint64
	for _, v := range versions {
		out = append(out, v.Version)
	}
	return out
}

func accepted(t *testing.T, s *State, versions ...uint64) {
	t.Helper()
	for _, version := range versions {
		require.NoError(t, s.Accept(&Version{Accepted: *smallAccepted(version)}))
	}
}

func listed(t *testing.T, s *State, before uint64, limit int) []uint64 {
	t.Helper()
	versions, err := s.Versions(before, limit)
	require.NoError(t, err)
	return numbers(versions)
}

func TestAccept_IsKeptAndListed(t *testing.T) {
	path := statePath(t)
	s := mustOpen(t, path)
	require.Empty(t, listed(t, s, 0, 10))
	want := &Version{
		Accepted:     *bigAccepted(),
		Changes:      []string{"rules: 1 group"},
		SetAside:     []config.SetAside{{Document: "prometheus", Name: "groups/disk", Line: 3, Reason: "bad"}},
		RolledBackTo: 1,
	}
	accepted(t, s, 1, 2)
	require.NoError(t, s.Accept(want))
	require.NoError(t, s.Close())

	s = mustOpen(t, path)
	got, err := s.Accepted()
	require.NoError(t, err)
	require.Equal(t, bigAccepted(), got)
	v, err := s.VersionAt(3)
	require.NoError(t, err)
	require.Equal(t, want, v)
	require.Equal(t, []uint64{3, 2, 1}, listed(t, s, 0, 10))
	require.Equal(t, []uint64{3, 2}, listed(t, s, 0, 2))
	require.Equal(t, []uint64{2, 1}, listed(t, s, 3, 10))
	for _, version := range []uint64{0, 4} {
		_, err = s.VersionAt(version)
		require.ErrorIs(t, err, ErrNoVersion)
	}
}

func TestAccept_OfTheOneBeforeTakesBack(t *testing.T) {
	s := mustOpen(t, statePath(t))
	first := &Version{Accepted: *smallAccepted(1), Changes: []string{"all"}}
	require.NoError(t, s.Accept(first))
	accepted(t, s, 2)
	require.NoError(t, s.Accept(&Version{Accepted: *smallAccepted(1)}))

	require.Equal(t, []uint64{1}, listed(t, s, 0, 10))
	v, err := s.VersionAt(1)
	require.NoError(t, err)
	require.Equal(t, first, v, "what it changed is still known")
	got, err := s.Accepted()
	require.NoError(t, err)
	require.Equal(t, uint64(1), got.Version)

	require.NoError(t, s.Accept(&Version{Accepted: config.Accepted{}}), "before the first there was none")
	require.Empty(t, listed(t, s, 0, 10))
}

func TestAccept_SameVersionAgainReplacesOnlyWhatIsAccepted(t *testing.T) {
	s := mustOpen(t, statePath(t))
	accepted(t, s, 1)
	again := smallAccepted(1)
	again.LastRead = map[string]string{"a": "b"}
	require.NoError(t, s.Accept(&Version{Accepted: *again}))
	got, err := s.Accepted()
	require.NoError(t, err)
	require.Equal(t, again, got)
	require.Equal(t, []uint64{1}, listed(t, s, 0, 10))
}

func TestVersions_BoundedInNumber(t *testing.T) {
	s := mustOpen(t, statePath(t))
	for version := range uint64(maxVersions + 5) {
		accepted(t, s, version+1)
	}
	versions := listed(t, s, 0, 1000)
	require.Len(t, versions, maxVersions)
	require.Equal(t, uint64(maxVersions+5), versions[0])
	_, err := s.VersionAt(5)
	require.ErrorIs(t, err, ErrNoVersion)
}

func TestVersions_BoundedInSizeButForTheLast(t *testing.T) {
	s := mustOpen(t, statePath(t))
	for i, size := range []int{1, 10 << 20, 10 << 20, 10 << 20, 40 << 20, 1} {
		a := smallAccepted(uint64(i + 1))
		a.Documents["big"] = config.Document{Content: strings.Repeat("x", size)}
		require.NoError(t, s.Accept(&Version{Accepted: *a}))
		require.Equal(t, [][]uint64{{1}, {2, 1}, {3, 2, 1}, {4, 3, 2, 1}, {5}, {6}}[i], listed(t, s, 0, 10))
	}
}

func TestVersions_DamagedOneIsLeftOut(t *testing.T) {
	s := mustOpen(t, statePath(t))
	accepted(t, s, 1, 2, 3)
	require.NoError(t, s.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(versionsBucket)).Put(versionKey(2), []byte("hunter2"))
	}))
	versions, err := s.Versions(0, 10)
	require.ErrorIs(t, err, ErrDamaged)
	require.NotContains(t, err.Error(), "hunter2")
	require.Equal(t, []uint64{3, 1}, numbers(versions))
	_, err = s.VersionAt(2)
	require.ErrorIs(t, err, ErrDamaged)
	require.Equal(t, 1, s.Damaged())
}
